// Command bundle turns the site's scripts and styles into the files that the
// server embeds: minified, named after their content, and listed in
// manifest.json by the names that templates use. It is a build tool, run by
// "make assets"; it knows directories and esbuild, and nothing of the pages.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", "internal/web/assets", "directory with js, css and node_modules; the result goes to its dist")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintf(os.Stderr, "bundle: %v\n", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	b, err := build(dir)
	if err != nil {
		return err
	}
	return b.write(filepath.Join(dir, "dist"))
}
