package sqlstore

import (
	"context"
	"fmt"
)

// Schema returns how many migrations a database has, and how many this version
// of Etude knows, and changes nothing: the first Open of a server runs what is
// missing. With SQLite, the file must be there.
func Schema(ctx context.Context, cfg Config) (has, known int, err error) {
	db, where, err := open(cfg)
	if err != nil {
		return 0, 0, fmt.Errorf("open database %s: %w", where, explain(err))
	}
	defer db.Close()
	has, err = db.schemaAt(ctx, conn{db.dialect, db.read})
	if err != nil {
		return 0, 0, fmt.Errorf("read database %s: %w", where, explain(err))
	}
	return has, len(migrationsOf(db.dialect)), nil
}
