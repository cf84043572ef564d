package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// findOrStartServer finds the server that runs in the data directory, or starts
// one as a process of its own, on free ports. stop ends it if it was started
// here.
func (d *demo) findOrStartServer(ctx context.Context) (stop func() error, err error) {
	if d.where, err = findServer(d.Data); err == nil && checkReady(ctx, d.where.Site) == nil {
		d.say("A server runs in %s already: using it", d.Data)
		return func() error { return nil }, d.readCredentials()
	}
	server, err := startServer(ctx, d.Data, filepath.Join(d.Out, "server.log"))
	if err != nil {
		return nil, err
	}
	if d.where, err = findServer(d.Data); err == nil {
		err = d.readCredentials()
	}
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	d.say("Started a server: site %s, AWS endpoint %s, data in %s", d.where.Site, d.where.Edge, d.Data)
	return server.stop, nil
}

// serverProcess is a server that was started by the demo.
type serverProcess struct {
	cmd *exec.Cmd
	log string
}

// startServer returns when the server has said that it is ready.
func startServer(ctx context.Context, data, logFile string) (*serverProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	defer log.Close()
	// Not CommandContext: the server is to end in good order.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "serve", "--data", data, "--site-addr", "127.0.0.1:0", "--edge-addr", "127.0.0.1:0")
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", self, err)
	}
	p := &serverProcess{cmd: cmd, log: logFile}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.Contains(lines.Text(), "is ready after") {
			// What it prints after that fits into the pipe.
			return p, nil
		}
	}
	text, _ := os.ReadFile(logFile)
	return nil, errors.Join(fmt.Errorf("the server did not start:\n%s", strings.TrimSpace(string(text))), p.wait())
}

func (p *serverProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	return p.wait()
}

func (p *serverProcess) wait() error {
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended with %w (its log is in %s)", err, p.log)
	}
	return nil
}

// readCredentials reads what the server generated, unless the environment
// fixes it.
func (d *demo) readCredentials() error {
	dir := &dataDir{path: d.Data}
	if err := dir.readJSON("credentials.json", &d.cred); err != nil {
		return err
	}
	if d.AccessKeyID != "" {
		d.cred.AccessKeyID, d.cred.SecretAccessKey = d.AccessKeyID, d.SecretAccessKey
	}
	if d.AdminEmail != "" {
		d.cred.AdminEmail, d.cred.AdminPassword = d.AdminEmail, d.AdminPassword
	}
	if d.cred.AdminPassword == "" {
		return errors.New("the password of the first account is not kept in the data directory: set ETUDE_ADMIN_EMAIL and ETUDE_ADMIN_PASSWORD as for the server")
	}
	return nil
}

type readyCmd struct {
	Data string `default:"./etude-data" env:"ETUDE_DATA" help:"Data directory of the server." placeholder:"DIR"`
}

// Run asks the server that runs in the data directory.
func (cmd *readyCmd) Run(ctx context.Context) error {
	where, err := findServer(cmd.Data)
	if err != nil {
		return fmt.Errorf("no server runs in %s: %w", cmd.Data, err)
	}
	return checkReady(ctx, where.Site)
}

// checkReady asks a site whether its server serves.
func checkReady(ctx context.Context, site string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", site, res.Status)
	}
	return nil
}
