package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"etude/internal/transcode"
)

// linkLife is how long a download may begin after it was asked for.
const linkLife = 15 * time.Minute

func (s *Site) file(w http.ResponseWriter, v *visit) {
	job, ok := s.job(w, v)
	if !ok {
		return
	}
	frame, err := s.frame(v, inputName(job), place{view: "file", job: job.ID})
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	view, err := s.fileView(v.Context(), job, s.inputSize(v.Context(), job))
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	s.render(w, v.Request, http.StatusOK, "file", filePage{frame: frame, File: view, Nonce: s.allowPlayer(w, v.Request)})
}

// job returns the job that the address names, or answers itself: that there
// is none, also if it is another's.
func (s *Site) job(w http.ResponseWriter, v *visit) (*transcode.Job, bool) {
	job, err := s.ownJob(v.Context(), v.owner(), transcode.JobID(v.PathValue("job")))
	if err != nil {
		s.broken(w, v.Request, err)
		return nil, false
	}
	if job == nil {
		s.notFound(w, v.Request)
		return nil, false
	}
	return job, true
}

// ownJob returns the owner's job of that id, or nil.
func (s *Site) ownJob(ctx context.Context, owner string, id transcode.JobID) (*transcode.Job, error) {
	if !transcode.ValidID(string(id)) {
		return nil, nil
	}
	job, err := s.cfg.Jobs.ReadJob(ctx, id)
	if transcode.IsKind(err, transcode.NotFound) {
		return nil, nil
	}
	if err != nil || job.Owner != owner || len(job.Inputs) == 0 {
		return nil, err
	}
	return job, nil
}

func (s *Site) fileView(ctx context.Context, job *transcode.Job, size int64) (fileView, error) {
	p, err := s.progress(ctx, job)
	if err != nil {
		return fileView{}, err
	}
	return newFile(job, p, size, time.Now()), nil
}

// inputSize returns the size of the job's input, asking the store if the job
// does not know yet; 0 if the store does not say, which is no reason to show no
// page.
func (s *Site) inputSize(ctx context.Context, job *transcode.Job) int64 {
	if d := job.Inputs[0].Detected; d != nil {
		return d.FileSize
	}
	pipeline, err := s.cfg.Jobs.ReadPipeline(ctx, job.Pipeline)
	if err != nil {
		return 0
	}
	info, err := s.cfg.Objects.Head(ctx, transcode.ObjectRef{Bucket: pipeline.InputBucket, Key: job.Inputs[0].Key})
	if err != nil {
		return 0
	}
	return info.Size
}

func (s *Site) downloadOriginal(w http.ResponseWriter, v *visit) {
	job, ok := s.job(w, v)
	if !ok {
		return
	}
	pipeline, ok := s.pipelineOf(w, v, job)
	if !ok {
		return
	}
	s.download(w, v, transcode.ObjectRef{Bucket: pipeline.InputBucket, Key: job.Inputs[0].Key}, inputName(job))
}

// pipelineOf returns the pipeline that says where a job's files are, or answers
// that it was deleted.
func (s *Site) pipelineOf(w http.ResponseWriter, v *visit, job *transcode.Job) (*transcode.Pipeline, bool) {
	p, err := s.cfg.Jobs.ReadPipeline(v.Context(), job.Pipeline)
	switch {
	case transcode.IsKind(err, transcode.NotFound):
		s.fail(w, v.Request, http.StatusGone, "The pipeline that made this file was deleted, and with it the way to the file. Ask the operator for it.")
	case err != nil:
		s.broken(w, v.Request, err)
	}
	return p, err == nil
}

func (s *Site) downloadOutput(w http.ResponseWriter, v *visit) {
	if ref, name, ok := s.output(w, v); ok {
		s.download(w, v, ref, name)
	}
}

// output returns the object of the output that the address names, and the name
// of its file, or answers itself.
func (s *Site) output(w http.ResponseWriter, v *visit) (ref transcode.ObjectRef, name string, ok bool) {
	job, ok := s.job(w, v)
	if !ok {
		return ref, "", false
	}
	for i := range job.Outputs {
		o := &job.Outputs[i]
		if o.ID != v.PathValue("output") || o.Status != transcode.Complete || !job.OneObject(o) {
			continue
		}
		pipeline, ok := s.pipelineOf(w, v, job)
		if !ok {
			return ref, "", false
		}
		return job.OutputRef(pipeline, o), lastElement(o.Key), true
	}
	s.notFound(w, v.Request)
	return ref, "", false
}

// download sends the browser to the object itself, under a link of its own.
func (s *Site) download(w http.ResponseWriter, v *visit, ref transcode.ObjectRef, name string) {
	_, err := s.cfg.Objects.Head(v.Context(), ref)
	if errors.Is(err, transcode.ErrNoObject) || errors.Is(err, transcode.ErrNoBucket) {
		s.fail(w, v.Request, http.StatusGone, "This file was removed from the store. Upload the original again to have it made anew.")
		return
	}
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	link, err := s.cfg.Objects.PresignGet(v.Context(), s.edge(v.Request), ref, name, linkLife)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the link is a key to the file
	http.Redirect(w, v.Request, link, http.StatusSeeOther)
}

// edge returns where this browser reaches the object store.
func (s *Site) edge(r *http.Request) string {
	if s.cfg.EdgeURL != "" {
		return s.cfg.EdgeURL
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return "http://" + net.JoinHostPort(strings.Trim(host, "[]"), s.cfg.EdgePort)
}
