package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"etude/internal/account"
)

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Add an account; the password is read from standard input. Works while the server runs."`
}

type userAddCmd struct {
	Email string `arg:"" help:"The e-mail address to sign in with."`
	Admin bool   `help:"Make it an administrator."`
	database
}

// Run writes to the server's database; the server sees it at once.
func (cmd *userAddCmd) Run(ctx context.Context, out io.Writer) error {
	accounts, db, err := cmd.accounts(ctx, account.MasterKey{})
	if err != nil {
		return err
	}
	defer db.Close()
	fmt.Fprintf(os.Stderr, "Password for %s (%d characters or more): ", cmd.Email, account.MinPassword)
	password, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read password: %w", err)
	}
	user, err := accounts.CreateUser(ctx, cmd.Email, strings.TrimRight(password, "\r\n"), cmd.Admin)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nAdded the account %s.\n", user.Email)
	return err
}
