package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"etude/internal/account"
	"etude/internal/rule"
	"etude/internal/rulefile"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

// defaultRule is the name of the rule that the first start makes.
const defaultRule = "media"

// openRules opens the rules; the jobs are there.
func (s *server) openRules(context.Context) (err error) {
	s.rules, err = rule.New(rule.Config{
		Store: s.store, Jobs: s.jobs, Objects: s.objects, Logger: s.log, Node: s.cred.Node,
		Triggers: func(ctx context.Context) ([]rule.Trigger, error) { return ruleTriggers(ctx, s.store) },
		UserOf: func(ctx context.Context, principal string) (string, error) {
			return userOfKey(ctx, s.accounts, principal)
		},
	})
	return err
}

// ruleTriggers are the parts of the buckets' notification configurations that
// name a rule.
func ruleTriggers(ctx context.Context, store *sqlstore.Store) (triggers []rule.Trigger, err error) {
	all, err := store.Notifications(ctx)
	if err != nil {
		return nil, err
	}
	for bucket, c := range all {
		triggers = append(triggers, triggersOf(bucket, c.Targets)...)
	}
	return triggers, nil
}

func triggersOf(bucket string, targets []s3event.Target) (triggers []rule.Trigger) {
	for _, t := range targets {
		if t.Kind == s3event.Function {
			triggers = append(triggers, rule.Trigger{Rule: t.FunctionName(), Bucket: bucket, Prefix: t.Prefix, Suffix: t.Suffix})
		}
	}
	return triggers
}

// userOfKey returns whose access key an event names. In events of AWS it is
// none that is known here.
func userOfKey(ctx context.Context, accounts *account.Service, principal string) (string, error) {
	who, _, err := accounts.AccessKey(ctx, principal)
	if errors.Is(err, account.ErrNotFound) {
		return "", nil
	}
	return string(who.User), err
}

// checkFunctions finds what is wrong with sending a bucket's events to rules.
func (s *server) checkFunctions(ctx context.Context, bucket string, targets []s3event.Target) error {
	triggers := triggersOf(bucket, targets)
	if len(triggers) == 0 {
		return nil
	}
	err := s.rules.CheckTriggers(ctx, bucket, triggers)
	if rule.IsFault(err) {
		return &s3event.Error{Code: "InvalidArgument", Message: err.Error()}
	}
	return err
}

func (s *server) handleRules(ctx context.Context, e s3event.Event) error {
	_, err := s.rules.Handle(ctx, e)
	return err
}

func (s *server) handleRule(ctx context.Context, e s3event.Event, name string) error {
	_, err := s.rules.HandleFor(ctx, name, e)
	return err
}

func (s *server) mayMatch(bucket, key string) bool {
	return s.rules.MayMatch(context.Background(), transcode.ObjectRef{Bucket: bucket, Key: key})
}

func (s *server) hasRule(ctx context.Context, name string) (bool, error) {
	_, err := s.rules.Rule(ctx, name)
	if rule.IsKind(err, rule.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// startRules makes the first rule at the first start, or reads the file of
// rules, and sees to uploads that were broken off by the end of the last run.
func (s *server) startRules(ctx context.Context) error {
	admin, err := s.accounts.FirstAdmin(ctx)
	if err != nil {
		return err
	}
	if err := s.loadRules(ctx, admin); err != nil {
		return err
	}
	if s.cred.fresh && s.RulesFile == "" {
		if err := s.firstRule(ctx, admin); err != nil {
			return fmt.Errorf("make the first rule: %w", err)
		}
	}
	return s.rules.Recover(ctx, true)
}

// firstRule makes the files that are put below media/ into WAV, FLAC and AAC.
// The keys of its outputs have an id of the object's version, so that neither
// programs, which choose keys of their own, nor a second version of a file find
// them taken.
func (s *server) firstRule(ctx context.Context, admin *account.User) error {
	_, err := s.rules.Create(ctx, rule.Rule{
		Name: defaultRule, Bucket: s.Bucket, Prefix: "media/", Pipeline: string(s.first.ID), OutputKeyPrefix: "transcoded/",
		Outputs: []rule.Output{
			{PresetID: "1351620000001-300300", KeyPattern: "{dir}/{id}/{name}.wav"},
			{PresetID: "1351620000001-300110", KeyPattern: "{dir}/{id}/{name}.flac"},
			{PresetID: "1351620000001-100110", KeyPattern: "{dir}/{id}/{name}.m4a"},
		},
		Owner: string(admin.ID), Enabled: true,
	})
	if rule.IsKind(err, rule.Exists) {
		return nil
	}
	return err
}

// loadRules makes the rules of the file those that are kept from a file; without
// a file there are none.
func (s *server) loadRules(ctx context.Context, admin *account.User) error {
	var f rulefile.File
	if s.RulesFile != "" {
		text, err := os.ReadFile(s.RulesFile)
		if err != nil {
			return fmt.Errorf("read --rules: %w", err)
		}
		parsed, err := rulefile.Parse(text)
		if err != nil {
			return fmt.Errorf("the rules in %s do not hold:\n%w", s.RulesFile, err)
		}
		f = *parsed
	}
	for i := range f.Rules {
		owner, err := ownerID(ctx, s.store, f.Rules[i].Owner, admin)
		if err != nil {
			return fmt.Errorf("the rules in %s do not hold:\nline %d: %w", s.RulesFile, f.Lines[i], err)
		}
		f.Rules[i].Owner = owner
	}
	at, err := s.rules.Load(ctx, f.Rules)
	if at >= 0 {
		return fmt.Errorf("the rules in %s do not hold:\nline %d: %w", s.RulesFile, f.Lines[at], err)
	}
	return err
}

// ownerID finds a rule's owner by the e-mail address; without one it is the
// first administrator.
func ownerID(ctx context.Context, store *sqlstore.Store, email string, admin *account.User) (string, error) {
	if email == "" {
		return string(admin.ID), nil
	}
	user, err := store.UserByEmail(ctx, strings.ToLower(strings.TrimSpace(email)))
	if errors.Is(err, account.ErrNotFound) {
		return "", fmt.Errorf("there is no account %.100q to own the rule (add it with etude user add)", email)
	}
	if err != nil {
		return "", err
	}
	return string(user.ID), nil
}
