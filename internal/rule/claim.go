package rule

import (
	"context"
	"errors"
	"fmt"

	"etude/internal/s3event"
	"etude/internal/transcode"
)

// ClaimUpload is to be called before an object is uploaded for a user who says
// himself what becomes of it: from now on no rule makes a job of it. spec is
// the job that is wanted, if that is known already: then whatever becomes of
// the uploader, there is one, and the user's. Settle or DropClaim end the claim.
func (s *Service) ClaimUpload(ctx context.Context, ref transcode.ObjectRef, owner string, spec *transcode.JobSpec) error {
	err := s.Store.PutClaim(ctx, Claim{ObjectRef: ref, Node: s.Node, Owner: owner, Spec: spec, CreateTime: s.Now()})
	if err != nil {
		return fmt.Errorf("claim %s: %w", ref, err)
	}
	return nil
}

// Settle makes the job that is wanted of an object that was claimed and is
// uploaded, unless its event was quicker.
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

// handleClaimed makes the job that is wanted of an object that is claimed. As
// long as that is not known, nothing is made: Settle does it, or Recover.
func (s *Service) handleClaimed(ctx context.Context, r *Rule, e s3event.Event) (out Outcome, found bool, err error) {
	if r != nil {
		out.Rule = r.Name
	}
	claim, err := s.Store.Claim(ctx, transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key})
	switch {
	case errors.Is(err, ErrNotFound):
		return Outcome{}, false, nil
	case err != nil:
		return Outcome{}, false, err
	case claim.Spec == nil:
		out.Why = "it is just being uploaded by a user who chooses what becomes of it"
		return out, true, nil
	}
	spec := *claim.Spec
	spec.Trigger = &transcode.Trigger{VersionID: e.VersionID, ETag: e.ETag}
	out.Job, out.Made, err = s.Jobs.CreateJobOnce(ctx, spec)
	if isFault(err) {
		return Outcome{Rule: out.Rule, Why: err.Error()}, true, nil
	}
	return out, true, err
}

// claimsAtOnce is how many claims are looked at in one go.
const claimsAtOnce = 100

// Recover settles what this node had claimed when it ended before its time. It
// is to be called at a start, before uploads are taken: an object that is there
// becomes the job that its user wanted or, where that was not known yet, the
// one of the rule that takes it, for that user.
func (s *Service) Recover(ctx context.Context) error {
	for {
		claims, err := s.Store.Claims(ctx, s.Node, claimsAtOnce)
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
