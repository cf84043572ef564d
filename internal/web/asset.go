package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// What "make assets" made, if it ran, and what serves without it: the styles
// as they were written, and no script.
var (
	//go:embed all:assets/dist
	distFiles embed.FS
	//go:embed assets/css/site.css
	styleSource []byte
	//go:embed assets/icon.svg
	iconSource []byte
)

// links are the URLs of what a page loads; Script is empty where no script was
// built.
type links struct {
	Style, Script, Icon string
}

// assets is the files that pages load, in memory.
type assets struct {
	files map[string]asset // by the name below /assets/
	urls  links
}

type asset struct {
	content   []byte
	mediaType string
	etag      string
	forever   bool // the name changes with the content
}

func (a *assets) links() links { return a.urls }

func newAssets() (*assets, error) {
	dist, err := fs.Sub(distFiles, "assets/dist")
	if err != nil {
		return nil, err
	}
	return loadAssets(dist)
}

// loadAssets takes in a directory that the bundler wrote. One without a
// manifest was not built.
func loadAssets(dist fs.FS) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	a.urls.Icon = a.add("icon-"+digest(iconSource)+".svg", iconSource, true)

	manifest, err := fs.ReadFile(dist, "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		a.urls.Style = a.add("site.css", styleSource, false)
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	var names map[string]string
	if err := json.Unmarshal(manifest, &names); err != nil {
		return nil, fmt.Errorf("parse manifest.json: %w", err)
	}
	entries, err := fs.ReadDir(dist, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "manifest.json" {
			continue
		}
		content, err := fs.ReadFile(dist, e.Name())
		if err != nil {
			return nil, err
		}
		a.add(e.Name(), content, e.Name() != "licenses.txt")
	}
	for entry, url := range map[string]*string{"site.css": &a.urls.Style, "site.js": &a.urls.Script} {
		name := names[entry]
		if _, ok := a.files[name]; !ok {
			return nil, fmt.Errorf("manifest.json leads %q to %q, which is not there; run make assets", entry, name)
		}
		*url = assetURL(name)
	}
	return a, nil
}

// add takes in a file and returns its URL.
func (a *assets) add(name string, content []byte, forever bool) string {
	mediaType := mime.TypeByExtension(path.Ext(name))
	if own := mediaTypes[path.Ext(name)]; own != "" {
		mediaType = own // not what this machine happens to say
	}
	a.files[name] = asset{content: content, mediaType: mediaType, etag: `"` + digest(content) + `"`, forever: forever}
	return assetURL(name)
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func assetURL(name string) string { return "/assets/" + name }

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok {
		plain(w, http.StatusNotFound, "no such asset")
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // asked for anew, and answered by the ETag
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// favicon is for those who do not read the page's head.
func (s *Site) favicon(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, s.assets.urls.Icon, http.StatusMovedPermanently)
}
