// Package objectstoretest has tests run beside a real S3 server. It knows nothing
// of what they keep there.
package objectstoretest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"etude/internal/objectstore"
)

// Main runs the tests of a binary beside a server in the region us-east-1, which
// they share: there can be one in a process, whose working directory then is the
// server's. Before they run, they are given it and a client of it; it is closed
// when they have ended. Main returns the code to exit with.
func Main(m *testing.M, use func(*objectstore.Server, *objectstore.Client)) int {
	code, err := run(m, use)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run(m *testing.M, use func(*objectstore.Server, *objectstore.Client)) (code int, err error) {
	dir, err := os.MkdirTemp("", "etude-test-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	server, err := objectstore.OpenServer(ctx, objectstore.ServerConfig{
		Dir: dir, Region: "us-east-1", RootAccessKeyID: "root", RootSecret: "root-secret",
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close(ctx)) }()
	client, err := objectstore.NewClient(ctx, objectstore.ClientConfig{Server: server})
	if err != nil {
		return 0, err
	}
	use(server, client)
	return m.Run(), nil
}
