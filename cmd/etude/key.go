package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"etude/internal/account"
)

type keyCmd struct {
	Add  keyAddCmd  `cmd:"" help:"Make an access key for a program; its secret is printed once. Works while the server runs."`
	List keyListCmd `cmd:"" help:"List the access keys, without their secrets and without the root access key."`
	Rm   keyRmCmd   `cmd:"" help:"Remove an access key; the server refuses it from now on."`
}

type keyAddCmd struct {
	User string `required:"" help:"E-mail address of the account that the key acts for." placeholder:"EMAIL"`
	Role string `required:"" enum:"read-only,submitter,admin" help:"What it may do: ${enum}." placeholder:"ROLE"`
	Name string `help:"What you know it by, as the name of the program that has it." placeholder:"TEXT"`
	JSON bool   `help:"Print JSON."`
	database
}

// Run makes the key in the server's database; the server knows it at once.
func (cmd *keyAddCmd) Run(ctx context.Context, out io.Writer) error {
	master, err := cmd.masterKey()
	if err != nil {
		return err
	}
	accounts, db, err := cmd.accounts(ctx, master)
	if err != nil {
		return err
	}
	defer db.Close()
	k, secret, err := accounts.AddAccessKey(ctx, cmd.User, account.Role(cmd.Role), cmd.Name)
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("there is no account %q (add it with etude user add): %w", cmd.User, err)
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		shown := describeKey(k)
		shown.SecretAccessKey = secret
		return printJSON(out, shown)
	}
	_, err = fmt.Fprintf(out, `Access key ID      %s
Secret access key  %s

It acts for %s as %s. The secret is not shown again.
`, k.ID, secret, k.Email, k.Role)
	return err
}

type keyListCmd struct {
	JSON bool `help:"Print JSON."`
	database
}

// Run prints the keys, the oldest first.
func (cmd *keyListCmd) Run(ctx context.Context, out io.Writer) error {
	accounts, db, err := cmd.accounts(ctx, account.MasterKey{})
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := accounts.AccessKeys(ctx)
	if err != nil {
		return err
	}
	shown := make([]shownKey, len(keys))
	for i, k := range keys {
		shown[i] = describeKey(k)
	}
	if cmd.JSON {
		return printJSON(out, shown)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tROLE\tUSER\tCREATED\tNAME")
	for _, k := range shown {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.AccessKeyID, k.Role, k.User, k.Created.Local().Format(time.DateTime), k.Name)
	}
	return table.Flush()
}

type keyRmCmd struct {
	ID string `arg:"" help:"The access key's ID, as etude key list shows it."`
	database
}

// Run removes the key from the server's database.
func (cmd *keyRmCmd) Run(ctx context.Context, out io.Writer) error {
	accounts, db, err := cmd.accounts(ctx, account.MasterKey{})
	if err != nil {
		return err
	}
	defer db.Close()
	err = accounts.RemoveAccessKey(ctx, cmd.ID)
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("there is no access key %q; etude key list shows them, but for the root access key, which is set where the server is started: %w", cmd.ID, err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Removed the access key %s.\n", cmd.ID)
	return err
}

// shownKey is an access key as it is printed.
type shownKey struct {
	AccessKeyID     string       `json:"access_key_id"`
	SecretAccessKey string       `json:"secret_access_key,omitempty"`
	User            string       `json:"user"`
	Role            account.Role `json:"role"`
	Name            string       `json:"name"`
	Created         time.Time    `json:"created"`
}

func describeKey(k account.AccessKey) shownKey {
	return shownKey{AccessKeyID: k.ID, User: k.Email, Role: k.Role, Name: k.Name, Created: k.CreateTime.UTC().Truncate(time.Millisecond)}
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
