package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"etude/internal/account"
	"etude/internal/sqlstore"
)

// database says where a server keeps its state, for the commands that change
// some of it. The server may run or not; what they write it sees at once.
type database struct {
	Data        string `default:"./etude-data" env:"ETUDE_DATA" help:"Data directory of the server." placeholder:"DIR"`
	DatabaseURL string `env:"ETUDE_DATABASE_URL" help:"The server's Postgres, if it has one." placeholder:"postgres://..."`
}

// open opens the state. No task can be queued in it: nobody here would wake the
// server's workers.
func (d *database) open(ctx context.Context) (*sqlstore.Store, io.Closer, error) {
	cfg := databaseConfig(d.Data, d.DatabaseURL, slog.New(slog.DiscardHandler))
	if _, err := os.Stat(cfg.Path); err != nil && d.DatabaseURL == "" {
		return nil, nil, fmt.Errorf("there is no server's data in %s: start the server once, or name its data directory with --data: %w", d.Data, err)
	}
	db, err := sqlstore.Open(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	store := sqlstore.New(db, func(context.Context, *sql.Tx, any) error { return errors.New("no task is queued here") })
	return store, db, nil
}

// accounts opens the accounts. With a master key that is zero, no secret can be
// sealed or read.
func (d *database) accounts(ctx context.Context, key account.MasterKey) (*account.Service, io.Closer, error) {
	store, db, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	return account.New(store, key), db, nil
}

// masterKey reads the key that the server seals secrets with. It makes none: a
// secret that was sealed with another one would be of no use to the server.
func (d *database) masterKey() (account.MasterKey, error) {
	var cred keptCredentials
	path, err := filepath.Abs(d.Data)
	if err != nil {
		return cred.MasterKey, fmt.Errorf("open data directory %q: %w", d.Data, err)
	}
	dir := &dataDir{path: path}
	if _, err := os.Stat(dir.file("master.key")); errors.Is(err, fs.ErrNotExist) {
		return cred.MasterKey, fmt.Errorf("there is no master.key in %s: start the server once, or name its data directory with --data: %w", path, err)
	}
	err = dir.masterKey(&cred)
	return cred.MasterKey, err
}
