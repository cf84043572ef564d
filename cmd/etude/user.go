package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"etude/internal/account"
	"etude/internal/sqlstore"
)

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Add an account; the password is read from standard input. Works while the server runs."`
}

type userAddCmd struct {
	Email       string `arg:"" help:"The e-mail address to sign in with."`
	Admin       bool   `help:"Make it an administrator."`
	Data        string `default:"./etude-data" env:"ETUDE_DATA" help:"Data directory of the server." placeholder:"DIR"`
	DatabaseURL string `env:"ETUDE_DATABASE_URL" help:"The server's Postgres, if it has one." placeholder:"postgres://..."`
}

// Run writes to the server's database; the server sees it at once.
func (cmd *userAddCmd) Run(ctx context.Context, out io.Writer) error {
	cfg := databaseConfig(cmd.Data, cmd.DatabaseURL, slog.New(slog.DiscardHandler))
	if _, err := os.Stat(cfg.Path); err != nil && cmd.DatabaseURL == "" {
		return fmt.Errorf("there is no server's data in %s (name it with --data): %w", cmd.Data, err)
	}
	fmt.Fprintf(os.Stderr, "Password for %s (%d characters or more): ", cmd.Email, account.MinPassword)
	password, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read password: %w", err)
	}
	db, err := sqlstore.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	store := sqlstore.New(db, func(context.Context, *sql.Tx, any) error { return errors.New("no task is queued here") })
	user, err := account.New(store, account.MasterKey{}).CreateUser(ctx, cmd.Email, strings.TrimRight(password, "\r\n"), cmd.Admin)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nAdded the account %s.\n", user.Email)
	return err
}
