package sqlstore

import (
	"context"
	"slices"
	"strings"

	"etude/internal/transcode"
)

// listing is a list of rows in the order of their ids.
type listing struct {
	query  string      // SELECT ... FROM table
	within []equal     // one or two columns, or none, that begin an index which ends with the id
	also   []condition // what else must hold; no index helps with it
}

// equal says that a column has a value.
type equal struct {
	column string
	value  any
}

// condition is part of a WHERE clause, with its arguments.
type condition struct {
	sql  string
	args []any
}

// lastID follows all ids, which are ASCII letters, digits and hyphens.
const lastID = "~"

// listPage returns a page of a list, and whether there are more. It goes on from
// an id, which an index finds at once, so the last page takes no longer than the
// first.
func listPage[T any](ctx context.Context, c conn, read func(scanner) (T, error), l listing, page transcode.Page) (items []T, more bool, err error) {
	query, args := l.page(page)
	items, err = list(ctx, c, read, query, args...)
	if len(items) > page.Limit {
		return items[:page.Limit], true, err
	}
	return items, false, err
}

// page asks for one row more than the page has. Given the choice, Postgres likes
// to walk along the primary key and to throw away what does not fit, which may
// be a million rows. So it is given none: it has to begin at a place in the
// index, and to go on in the index's order. Where a second column changes before
// the page is full, the rest is thrown away outside.
func (l listing) page(page transcode.Page) (string, []any) {
	from, follows, within, order := page.Token, " > ", " <= ?", ""
	if page.Descending {
		follows, within, order = " < ", " >= ?", " DESC"
		if from == "" {
			from = lastID
		}
	}
	var columns, marks []string
	var values []any
	for _, e := range l.within {
		columns, marks, values = append(columns, e.column), append(marks, "?"), append(values, e.value)
	}
	columns, marks = append(columns, "id"), append(marks, "?")
	query := l.query + " WHERE (" + strings.Join(columns, ", ") + ")" + follows + "(" + strings.Join(marks, ", ") + ")"
	args := append(slices.Clone(values), from)
	if len(l.within) > 0 {
		query, args = query+" AND "+columns[0]+within, append(args, values[0])
	}
	for _, c := range l.also {
		query, args = query+" AND "+c.sql, append(args, c.args...)
	}
	query, args = query+" ORDER BY "+strings.Join(columns, order+", ")+order+" LIMIT ?", append(args, page.Limit+1)
	if n := len(l.within); n > 1 {
		query = "SELECT * FROM (" + query + ") AS page WHERE " + columns[n-1] + " = ? ORDER BY id" + order
		args = append(args, values[n-1])
	}
	return query, args
}
