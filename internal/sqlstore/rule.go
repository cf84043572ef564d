package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"etude/internal/rule"
	"etude/internal/transcode"
)

// ruleSpec is a rule's column spec. As with pipelineSpec, the members' names are
// what is stored.
type ruleSpec struct {
	Bucket          string
	Prefix          string
	Suffixes        []string
	Pipeline        string
	OutputKeyPrefix string
	Outputs         []rule.Output
	UserMetadata    map[string]string
	Owner           string
	MaxPerHour      int
	Enabled         bool
	Paused          string
	Source          rule.Source
}

const selectRules = "SELECT name, create_ms, spec FROM rules "

func readRule(row scanner) (*rule.Rule, error) {
	var r rule.Rule
	var created sql.NullInt64
	var text string
	if err := row.Scan(&r.Name, &created, &text); err != nil {
		return nil, err
	}
	var s ruleSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("read spec of rule %s: %w", r.Name, err)
	}
	r.CreateTime = moment(created)
	r.Bucket, r.Prefix, r.Suffixes, r.Pipeline = s.Bucket, s.Prefix, s.Suffixes, s.Pipeline
	r.OutputKeyPrefix, r.Outputs, r.UserMetadata, r.Owner = s.OutputKeyPrefix, s.Outputs, s.UserMetadata, s.Owner
	r.MaxPerHour, r.Enabled, r.Paused, r.Source = s.MaxPerHour, s.Enabled, s.Paused, s.Source
	return &r, nil
}

func (c conn) rules(ctx context.Context) ([]*rule.Rule, error) {
	all, err := list(ctx, c, readRule, selectRules+"ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	return all, nil
}

// Rules returns all rules; see rule.Store.
func (s *Store) Rules(ctx context.Context) ([]*rule.Rule, error) { return s.read.rules(ctx) }

// Rule returns the rule of that name; see rule.Store.
func (s *Store) Rule(ctx context.Context, name string) (*rule.Rule, error) {
	r, err := first(ctx, s.read, rule.ErrNotFound, readRule, selectRules+"WHERE name = ?", name)
	if err != nil {
		return nil, fmt.Errorf("read rule %q: %w", name, err)
	}
	return r, nil
}

// UpdateRules runs fn in one transaction; see rule.Store.
func (s *Store) UpdateRules(ctx context.Context, fn func(rule.Tx) error) error {
	return s.update(ctx, func(t *tx) error {
		if t.dialect == Postgres {
			// A rule that is just being made must be seen by the next one.
			if _, err := t.exec(ctx, "LOCK TABLE rules IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return fmt.Errorf("lock the rules: %w", err)
			}
		}
		return fn(ruleTx{t})
	})
}

type ruleTx struct{ *tx }

// Rules returns all rules; see rule.Tx.
func (t ruleTx) Rules(ctx context.Context) ([]*rule.Rule, error) { return t.rules(ctx) }

// PutRule keeps a rule or replaces it; see rule.Tx.
func (t ruleTx) PutRule(ctx context.Context, r *rule.Rule) error {
	text, err := json.Marshal(ruleSpec{
		r.Bucket, r.Prefix, r.Suffixes, r.Pipeline, r.OutputKeyPrefix, r.Outputs, r.UserMetadata, r.Owner,
		r.MaxPerHour, r.Enabled, r.Paused, r.Source,
	})
	if err != nil {
		return fmt.Errorf("write spec of rule %s: %w", r.Name, err)
	}
	_, err = t.exec(ctx, `INSERT INTO rules (name, create_ms, spec) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET create_ms = excluded.create_ms, spec = excluded.spec`, r.Name, r.CreateTime.UnixMilli(), string(text))
	if err != nil {
		return fmt.Errorf("write rule %s: %w", r.Name, err)
	}
	return nil
}

// DeleteRule forgets a rule; see rule.Tx.
func (t ruleTx) DeleteRule(ctx context.Context, name string) error {
	n, err := t.exec(ctx, "DELETE FROM rules WHERE name = ?", name)
	if err == nil && n == 0 {
		err = rule.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete rule %q: %w", name, err)
	}
	return nil
}

// claimMark stands for an object.
func claimMark(ref transcode.ObjectRef) string {
	sum := sha256.Sum256([]byte(ref.Bucket + "/" + ref.Key)) // no bucket has a slash
	return hex.EncodeToString(sum[:])
}

// PutClaim keeps a claim; see rule.Store.
func (s *Store) PutClaim(ctx context.Context, c rule.Claim) error {
	var spec any
	if c.Spec != nil {
		text, err := json.Marshal(c.Spec)
		if err != nil {
			return fmt.Errorf("write the job of a claim: %w", err)
		}
		spec = string(text)
	}
	_, err := s.write.exec(ctx, `INSERT INTO upload_claims (mark, bucket, object_key, node, owner, spec, create_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (mark) DO UPDATE SET node = excluded.node, owner = excluded.owner, spec = excluded.spec, create_ms = excluded.create_ms`,
		claimMark(c.ObjectRef), c.Bucket, c.Key, c.Node, c.Owner, spec, c.CreateTime.UnixMilli())
	if err != nil {
		return fmt.Errorf("write claim: %w", err)
	}
	return nil
}

const selectClaims = "SELECT bucket, object_key, node, owner, spec, create_ms FROM upload_claims "

func readClaim(row scanner) (c rule.Claim, err error) {
	var spec sql.NullString
	var created sql.NullInt64
	if err := row.Scan(&c.Bucket, &c.Key, &c.Node, &c.Owner, &spec, &created); err != nil {
		return c, err
	}
	c.CreateTime = moment(created)
	if !spec.Valid {
		return c, nil
	}
	c.Spec = new(transcode.JobSpec)
	if err := json.Unmarshal([]byte(spec.String), c.Spec); err != nil {
		return c, fmt.Errorf("read the job of a claim: %w", err)
	}
	return c, nil
}

// Claim returns the claim on an object; see rule.Store.
func (s *Store) Claim(ctx context.Context, ref transcode.ObjectRef) (*rule.Claim, error) {
	c, err := first(ctx, s.read, rule.ErrNotFound, readClaim, selectClaims+"WHERE mark = ?", claimMark(ref))
	if err != nil {
		return nil, fmt.Errorf("read claim: %w", err)
	}
	return &c, nil
}

// Claims returns those of a node and old ones; see rule.Store.
func (s *Store) Claims(ctx context.Context, node string, before time.Time, limit int) ([]rule.Claim, error) {
	all, err := list(ctx, s.read, readClaim, selectClaims+"WHERE node = ? OR create_ms < ? ORDER BY create_ms, mark LIMIT ?",
		node, before.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	return all, nil
}

// DeleteClaim forgets a claim; see rule.Store.
func (s *Store) DeleteClaim(ctx context.Context, ref transcode.ObjectRef) error {
	if _, err := s.write.exec(ctx, "DELETE FROM upload_claims WHERE mark = ?", claimMark(ref)); err != nil {
		return fmt.Errorf("delete claim: %w", err)
	}
	return nil
}
