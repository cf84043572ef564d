package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"etude/internal/signkey"
	"etude/internal/snsmsg"
)

type signingKeyCmd struct {
	Rotate signingKeyRotateCmd `cmd:"" help:"Make a new key, which running servers sign with within ten minutes. Certificates of older keys stay where they are."`
}

type signingKeyRotateCmd struct{ database }

// Run makes the key in the server's database.
func (cmd *signingKeyRotateCmd) Run(ctx context.Context, out io.Writer) error {
	master, err := cmd.masterKey()
	if err != nil {
		return err
	}
	store, db, err := cmd.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := signkey.Open(ctx, signkey.Config{Store: store, Master: master, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	hash, err := keys.Rotate(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Made a new signing key; its certificate is at %s of the AWS endpoint and the site.\n", snsmsg.CertificatePath(hash))
	return err
}
