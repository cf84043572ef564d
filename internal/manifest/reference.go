package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reference is how a manifest names another file: as a URI relative to the
// manifest's folder.
//
// What Elastic Transcoder did with a key that has a space or a percent sign in
// it is not known. Here, characters that a URI's path may have stay, so that
// common keys are verbatim, and the rest is percent-encoded. So are three of the
// former: the colon, which would make a scheme of what is before it; the plus
// sign, which S3 takes for a space; and the ampersand, which ffmpeg's reader of
// DASH forgets to escape again.
func reference(manifest, name string) (string, error) {
	folder := manifest[:strings.LastIndexByte(manifest, '/')+1]
	rel, below := strings.CutPrefix(name, folder)
	switch {
	case name == "":
		return "", errors.New("a file has no name")
	case !below || rel == "":
		return "", fmt.Errorf("file %q is not in or below %q, the folder of manifest %q", name, folder, manifest)
	}
	parts := strings.Split(rel, "/")
	if slices.Contains(parts, ".") || slices.Contains(parts, "..") {
		return "", fmt.Errorf("file %q has a part that is %q or %q, which a URI cannot name", name, ".", "..")
	}
	if parts[0] == "" {
		return "./" + escape(rel), nil // a leading slash would mean the root
	}
	return escape(rel), nil
}

// verbatim are the characters of a URI's path that are not escaped.
const verbatim = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$'()*,;=@"

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(verbatim, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}
