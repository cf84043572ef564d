package sqlstore

import (
	"context"
	"strings"

	"etude/internal/transcode"
)

// condition is part of a WHERE clause, with its argument.
type condition struct {
	sql string
	arg any
}

// listPage returns the page of a query's rows in the order of their ids, and
// whether there are more. It goes on from an id, which an index finds at once,
// so the last page takes no longer than the first.
func listPage[T any](ctx context.Context, c conn, read func(scanner) (T, error), query string, where []condition, page transcode.Page) (items []T, more bool, err error) {
	query, args := pageQuery(query, where, page)
	items, err = list(ctx, c, read, query, args...)
	if len(items) > page.Limit {
		return items[:page.Limit], true, err
	}
	return items, false, err
}

// pageQuery asks for one row more than the page has.
func pageQuery(query string, where []condition, page transcode.Page) (string, []any) {
	follows, order := "id > ?", " ORDER BY id"
	if page.Descending {
		follows, order = "id < ?", " ORDER BY id DESC"
	}
	if page.Token != "" {
		where = append(where, condition{follows, page.Token})
	}
	var terms []string
	var args []any
	for _, w := range where {
		terms = append(terms, w.sql)
		args = append(args, w.arg)
	}
	if len(terms) > 0 {
		query += " WHERE " + strings.Join(terms, " AND ")
	}
	return query + order + " LIMIT ?", append(args, page.Limit+1)
}
