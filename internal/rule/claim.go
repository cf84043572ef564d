package rule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"etude/internal/transcode"
)

// ClaimUpload is to be called before an object is uploaded for a user who says
// himself what becomes of it: from now on no rule makes a job of it. spec is
// the job that is wanted, as far as that is known already, or nil. Settle or
// DropClaim end the claim, or Recover where this process ends before.
func (s *Service) ClaimUpload(ctx context.Context, ref transcode.ObjectRef, owner string, spec *transcode.JobSpec) error {
	err := s.Store.PutClaim(ctx, Claim{ObjectRef: ref, Node: s.Node, Owner: owner, Spec: spec, CreateTime: s.Now()})
	if err != nil {
		return fmt.Errorf("claim %s: %w", ref, err)
	}
	return nil
}

// Settle makes the job that is wanted of an object that was claimed and is
// uploaded. It may be called again: there is one job.
func (s *Service) Settle(ctx context.Context, spec transcode.JobSpec, ref transcode.ObjectRef, info transcode.ObjectInfo) (*transcode.Job, error) {
	spec.Trigger = &transcode.Trigger{VersionID: info.VersionID, ETag: info.ETag}
	job, _, err := s.Jobs.CreateJobOnce(ctx, spec)
	if err != nil {
		return nil, err
	}
	return job, s.DropClaim(ctx, ref)
}

// DropClaim ends a claim of which nothing came.
func (s *Service) DropClaim(ctx context.Context, ref transcode.ObjectRef) error {
	if err := s.Store.DeleteClaim(ctx, ref); err != nil {
		return fmt.Errorf("end the claim on %s: %w", ref, err)
	}
	return nil
}

// claimed reports whether somebody who uploads an object says what becomes of
// it.
func (s *Service) claimed(ctx context.Context, ref transcode.ObjectRef) (bool, error) {
	_, err := s.Store.Claim(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

const claimedRefusal = "it is just being uploaded by a user who says what becomes of it"

const (
	// claimsAtOnce is how many claims are looked at in one go.
	claimsAtOnce = 100
	// staleClaim is older than any upload gets; its node will not come back.
	staleClaim = 48 * time.Hour
)

// Recover settles what any node had claimed long ago and, with restarted set,
// which only a node may do that has started and takes no uploads yet, what this
// one had claimed when it ended before its time. An object that is there becomes
// the job that its user wanted or, where that was not known yet, the one of the
// rule that takes it, for that user.
func (s *Service) Recover(ctx context.Context, restarted bool) error {
	node := ""
	if restarted {
		node = s.Node
	}
	for {
		claims, err := s.Store.Claims(ctx, node, s.Now().Add(-staleClaim), claimsAtOnce)
		if err != nil {
			return fmt.Errorf("recover uploads: %w", err)
		}
		for _, c := range claims {
			if err := s.recover(ctx, c); err != nil {
				return fmt.Errorf("recover the upload of %s: %w", c.ObjectRef, err)
			}
		}
		if len(claims) < claimsAtOnce {
			return nil
		}
	}
}

func (s *Service) recover(ctx context.Context, c Claim) error {
	info, err := s.Objects.Head(ctx, c.ObjectRef)
	switch {
	case gone(err):
		return s.DropClaim(ctx, c.ObjectRef)
	case err != nil:
		return err
	case c.Spec != nil:
		job, err := s.Settle(ctx, *c.Spec, c.ObjectRef, info)
		if isFault(err) {
			s.Logger.Error("upload of before the restart becomes no job", "bucket", c.Bucket, "key", c.Key, "err", err)
			return s.DropClaim(ctx, c.ObjectRef)
		}
		if err == nil {
			s.Logger.Info("upload of before the restart recovered", "job", job.ID, "bucket", c.Bucket, "key", c.Key)
		}
		return err
	}
	rules, err := s.Store.Rules(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.Active() && r.Refusal(c.ObjectRef) == "" {
			if _, err := s.apply(ctx, r, Object{c.ObjectRef, info.VersionID, info.ETag}, lookedUp(r, info), c.Owner); err != nil {
				return err
			}
			break
		}
	}
	return s.DropClaim(ctx, c.ObjectRef)
}

// isFault reports whether a job is refused and would be again.
func isFault(err error) bool {
	var e *transcode.Error
	return errors.As(err, &e)
}

// lookedUp is the trigger of an object of which no event tells.
func lookedUp(r *Rule, info transcode.ObjectInfo) *transcode.Trigger {
	return &transcode.Trigger{Rule: r.Name, VersionID: info.VersionID, ETag: info.ETag, Time: info.LastModified}
}
