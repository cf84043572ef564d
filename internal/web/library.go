package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"etude/internal/transcode"
)

// rowsPerPage is how many files a page of the library has.
const rowsPerPage = 20

func (s *Site) library(w http.ResponseWriter, v *visit) {
	s.showLibrary(w, v, http.StatusOK, cursor(v.URL.Query()), "")
}

// showLibrary shows the files that come after before, with a word on what went
// wrong.
func (s *Site) showLibrary(w http.ResponseWriter, v *visit, status int, before transcode.JobID, words string) {
	at := place{view: "library", before: before}
	frame, err := s.frame(v, "Library", at)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	files, err := s.files(v.Context(), v.owner(), before)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	page := libraryPage{
		frame:  frame,
		Upload: uploadForm{Formats: formats, Max: s.cfg.MaxUpload, Limit: limit(s.cfg.MaxUpload)},
		Files:  files,
		Fault:  words,
	}
	s.render(w, v.Request, status, "library", page)
}

// frame is what a page of somebody who is signed in has around it.
func (s *Site) frame(v *visit, title string, at place) (frame, error) {
	pending, err := s.cfg.Inbox.Pending(v.Context(), v.owner())
	if err != nil {
		return frame{}, err
	}
	f := frame{
		Title: title, Assets: s.assets.links(), User: v.user.Email, Admin: v.user.Admin, Events: at.events(),
		Tab: at.view, Badge: newBadge(len(pending)), pending: pending,
	}
	if at.view != "messages" {
		f.Banners = newInbox(pending, maxBanners, at.path())
	}
	return f, nil
}

// files is a page of somebody's library, newest first.
func (s *Site) files(ctx context.Context, owner string, before transcode.JobID) (fileList, error) {
	jobs, next, err := s.cfg.Jobs.ListJobs(ctx, transcode.JobFilter{Owner: owner},
		transcode.Page{Token: string(before), Descending: true, Limit: rowsPerPage})
	if err != nil {
		return fileList{}, err
	}
	list := fileList{Newest: before == ""}
	if next != "" {
		list.Older = "/?before=" + url.QueryEscape(next)
	}
	for _, j := range jobs {
		p, err := s.progress(ctx, j)
		if err != nil {
			return fileList{}, err
		}
		list.Rows = append(list.Rows, newRow(j, p, time.Now()))
	}
	return list, nil
}

// progress asks only of jobs that may have some.
func (s *Site) progress(ctx context.Context, j *transcode.Job) (transcode.Progress, error) {
	if j.Status != transcode.Progressing {
		return transcode.Progress{}, nil
	}
	return s.cfg.Jobs.Progress(ctx, j.ID)
}
