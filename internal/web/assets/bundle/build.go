package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// manifestName is the file of dist that leads to all others.
const manifestName = "manifest.json"

// entries are what pages name; everything else is reached from these.
var entries = []string{"js/site.js", "css/site.css"}

// A bundle is what the server embeds.
type bundle struct {
	// files holds every file's content by its name in dist, which has no
	// directories.
	files map[string][]byte
	// manifest leads from the name that a template uses, such as "site.js", to
	// the name in dist.
	manifest map[string]string
}

// metafile is the part we need of what esbuild tells about a build.
type metafile struct {
	Inputs  map[string]struct{} `json:"inputs"`
	Outputs map[string]struct {
		EntryPoint string `json:"entryPoint"`
	} `json:"outputs"`
}

// build bundles the entries below dir. It writes nothing.
func build(dir string) (*bundle, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	result := api.Build(options(root))
	if len(result.Errors) > 0 {
		return nil, faults(result.Errors)
	}
	var meta metafile
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, fmt.Errorf("read esbuild's metafile: %w", err)
	}

	b := &bundle{files: map[string][]byte{}, manifest: map[string]string{}}
	for _, f := range result.OutputFiles {
		b.files[filepath.Base(f.Path)] = f.Contents
	}
	for out, o := range meta.Outputs {
		if o.EntryPoint != "" {
			b.manifest[path.Base(o.EntryPoint)] = path.Base(out)
		}
	}
	b.files["licenses.txt"], err = licenses(root, slices.Sorted(maps.Keys(meta.Inputs)))
	return b, err
}

// options of a build in root, an absolute path. Outputs bear a hash of their
// content, so that they can be cached for ever.
func options(root string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir:     root,
		EntryPoints:       entries,
		Outdir:            "dist",
		EntryNames:        "[name]-[hash]",
		AssetNames:        "[name]-[hash]",
		Loader:            map[string]api.Loader{".svg": api.LoaderFile, ".woff2": api.LoaderFile},
		Bundle:            true,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsEndOfFile,
		Metafile:          true,
		LogLevel:          api.LogLevelSilent,
	}
}

// faults is one error with a line for each message.
func faults(messages []api.Message) error {
	var errs []error
	for _, m := range messages {
		if at := m.Location; at != nil {
			errs = append(errs, fmt.Errorf("%s:%d:%d: %s", at.File, at.Line, at.Column+1, m.Text))
			continue
		}
		errs = append(errs, errors.New(m.Text))
	}
	return errors.Join(errs...)
}

// licenses joins the licence of every package that the inputs were taken from.
// A package without one may not be bundled.
func licenses(root string, inputs []string) ([]byte, error) {
	var text strings.Builder
	seen := map[string]bool{}
	for _, in := range inputs {
		pkg := packageDir(in)
		if pkg == "" || seen[pkg] {
			continue
		}
		seen[pkg] = true
		found, err := filepath.Glob(filepath.Join(root, pkg, "LICEN[CS]E*"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("find licence of %s: no LICENSE file in it", pkg)
		}
		content, err := os.ReadFile(found[0])
		if err != nil {
			return nil, fmt.Errorf("read licence of %s: %w", pkg, err)
		}
		fmt.Fprintf(&text, "%s\n\n%s\n\n", strings.TrimPrefix(pkg, "node_modules/"), strings.TrimSpace(string(content)))
	}
	return []byte(text.String()), nil
}

// packageDir is the directory of the npm package that a file belongs to, or
// empty for a file of ours: "node_modules/@uppy/core" for
// "node_modules/@uppy/core/lib/index.js".
func packageDir(file string) string {
	const modules = "node_modules/"
	at := strings.LastIndex(file, modules)
	if at < 0 {
		return ""
	}
	parts := strings.Split(file[at+len(modules):], "/")
	n := 1
	if strings.HasPrefix(parts[0], "@") {
		n = 2
	}
	return file[:at+len(modules)] + path.Join(parts[:min(n, len(parts))]...)
}
