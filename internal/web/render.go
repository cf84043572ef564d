package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

// pages holds each page's templates by its name, and fragments the parts that
// an event stream sends. What does not parse is a fault of the build.
var (
	fragments = template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/opsparts.html"))
	pages     = parsePages()
)

func parsePages() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"signin", "library", "file", "messages", "error", "ops-overview", "ops-jobs", "ops-one", "ops-deliveries", "ops-topics", "ops-rules", "ops-rule", "ops-test"} {
		set := template.Must(fragments.Clone())
		all[name] = template.Must(set.ParseFS(templateFiles, path.Join("templates", name+".html")))
	}
	return all
}

// render answers with a page. It is written only when it is whole.
func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	var buf bytes.Buffer
	if err := pages[page].ExecuteTemplate(&buf, "layout", data); err != nil {
		s.log.Error("page could not be rendered", "path", r.URL.Path, "err", err)
		plain(w, http.StatusInternalServerError, sorry)
		return
	}
	sendHTML(w, status, buf.Bytes())
}

func sendHTML(w http.ResponseWriter, status int, html []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(html)
}

// fragment renders a part of a page.
func fragment(name string, data any) (string, error) {
	var b strings.Builder
	if err := fragments.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return b.String(), nil
}
