package web

import (
	"net/url"

	"etude/internal/transcode"
)

// place is what a page shows of the user's things: enough to show it again, on
// the page's event stream or after a message was dismissed.
type place struct {
	view   string          // "library", "file", "messages", "ops" or "" for none
	job    transcode.JobID // of a file
	before transcode.JobID // of the library: the last file of the page before
	ops    string          // of an operators' page: its own address
}

// path is the page's address.
func (p place) path() string {
	switch {
	case p.view == "library" && p.before != "":
		return "/?before=" + url.QueryEscape(string(p.before))
	case p.view == "file":
		return fileURL(p.job)
	case p.view == "messages":
		return "/messages"
	case p.view == "ops":
		return p.ops
	}
	return "/"
}

// events is the address of the page's stream.
func (p place) events() string {
	q := url.Values{}
	for name, value := range map[string]string{"view": p.view, "job": string(p.job), "before": string(p.before), "at": p.ops} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/events?" + q.Encode()
}

// placeOf reads what events wrote. An id that is none is left out.
func placeOf(q url.Values) place {
	p := place{view: q.Get("view")}
	if id := q.Get("job"); transcode.ValidID(id) {
		p.job = transcode.JobID(id)
	}
	p.before = cursor(q)
	if at := q.Get("at"); p.view == "ops" && localPath(at) == at {
		p.ops = at
	}
	return p
}

// cursor reads the library's; one that is no id is the first page's.
func cursor(q url.Values) transcode.JobID {
	if id := q.Get("before"); transcode.ValidID(id) {
		return transcode.JobID(id)
	}
	return ""
}
