package ffmpeg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// TestFitting has the examples of Elastic Transcoder's developer guide, and the
// table of its policies.
func TestFitting(t *testing.T) {
	for _, test := range []struct {
		w, h, boxW, boxH int
		policy, padding  string
		want             fitting
	}{
		{200, 200, 300, 400, "Fit", "NoPad", fitting{200, 200, 300, 300, 300, 300}},
		{200, 200, 300, 400, "Fit", "Pad", fitting{200, 200, 300, 300, 300, 400}},
		{200, 200, 300, 400, "", "", fitting{200, 200, 300, 300, 300, 300}},
		{200, 200, 300, 400, "Fill", "NoPad", fitting{150, 200, 300, 400, 300, 400}},
		{400, 200, 300, 300, "Keep", "NoPad", fitting{300, 200, 300, 200, 300, 200}},
		{400, 200, 300, 300, "Keep", "Pad", fitting{300, 200, 300, 200, 300, 300}},
		{400, 200, 300, 300, "Stretch", "Pad", fitting{400, 200, 300, 300, 300, 300}},
		{100, 200, 300, 300, "ShrinkToFit", "NoPad", fitting{100, 200, 100, 200, 100, 200}},
		{1000, 200, 300, 300, "ShrinkToFit", "NoPad", fitting{1000, 200, 300, 60, 300, 60}},
		{1000, 400, 300, 300, "ShrinkToFill", "NoPad", fitting{400, 400, 300, 300, 300, 300}},
		{1000, 200, 300, 300, "ShrinkToFill", "Pad", fitting{300, 200, 300, 200, 300, 300}},
		{1920, 1080, 640, 432, "Fit", "NoPad", fitting{1920, 1080, 640, 360, 640, 360}},
		{1920, 1080, 480, 320, "Fit", "NoPad", fitting{1920, 1080, 480, 270, 480, 270}},
		{333, 77, 100, 100, "Fit", "NoPad", fitting{333, 77, 100, 24, 100, 24}},
		{33, 77, 100, 100, "Keep", "NoPad", fitting{32, 76, 32, 76, 32, 76}},
		{1, 1, 600, 600, "Keep", "NoPad", fitting{1, 1, 2, 2, 2, 2}},
		{4096, 1, 32, 32, "Fit", "NoPad", fitting{4096, 1, 32, 2, 32, 2}},
		{1, 3072, 4096, 32, "Fill", "NoPad", fitting{1, 1, 4096, 32, 4096, 32}},
	} {
		got := newFitting(test.w, test.h, transcode.Picture{MaxWidth: test.boxW, MaxHeight: test.boxH, SizingPolicy: test.policy, PaddingPolicy: test.padding})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%dx%d %s %s into %dx%d (-want +got)\n%s", test.w, test.h, test.policy, test.padding, test.boxW, test.boxH, diff)
		}
	}
}

func TestMergeArt(t *testing.T) {
	for _, test := range []struct{ policy, given, own, want string }{
		{"Replace", "ab", "xy", "ab"}, {"Replace", "", "xy", ""}, {"", "a", "x", "a"},
		{"Prepend", "ab", "xy", "abxy"}, {"Prepend", "", "xy", "xy"}, {"Append", "ab", "xy", "xyab"}, {"Append", "ab", "", "ab"},
		{"Fallback", "ab", "xy", "xy"}, {"Fallback", "ab", "", "ab"}, {"Fallback", "", "xy", "xy"},
	} {
		if got := string(mergeArt(test.policy, []byte(test.given), []byte(test.own))); got != test.want {
			t.Errorf("%s: %s and %s are %s, want %s", test.policy, test.given, test.own, got, test.want)
		}
	}
}

// TestArtArgs has the commands that make pictures.
func TestArtArgs(t *testing.T) {
	const head = "-hide_banner -nostdin -y -loglevel level+warning -xerror"
	for want, args := range map[string][]string{
		head + " GUARD -f mov -i file:INPUT1 -map 0:1 -c copy -frames:v 1 -f image2pipe file:own-1 -map 0:3 -c copy -frames:v 1 -f image2pipe file:own-2": extractArgs("mov", []int{1, 3}),

		head + " -filter_threads 1 ARTGUARD -threads 1 -err_detect explode -f png_pipe -i file:own-1 -map 0:v:0 -frames:v 1 -f null -": checkArtArgs(&kind{"png_pipe", ".png"}, "own-1"),

		head + " -filter_threads 1 ARTGUARD -threads 1 -err_detect explode -f png_pipe -i file:INPUT1 -filter_complex_threads 1 -filter_complex " +
			"[0:0]crop=10:20:exact=1,scale=30:40:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1,format=rgba|rgb24[out]" +
			" -map [out] -frames:v 1 -c:v png -f image2pipe file:x.png": convertArgs(&kind{"png_pipe", ".png"}, fitting{10, 20, 30, 40, 30, 40}, false, "x.png"),

		head + " -filter_threads 1 ARTGUARD -threads 1 -err_detect explode -f gif -i file:INPUT1 -filter_complex_threads 1 -filter_complex " +
			"[0:0]crop=10:20:exact=1,scale=30:40:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1,format=rgba[picture];" +
			"color=white:size=50x40:rate=1:duration=1,format=rgba[white];[white][picture]overlay=(W-w)/2:(H-h)/2:format=rgb,format=yuvj420p[out]" +
			" -map [out] -frames:v 1 -c:v mjpeg -q:v 2 -f image2pipe file:x.jpg": convertArgs(&kind{"gif", ".gif"}, fitting{10, 20, 30, 40, 50, 40}, true, "x.jpg"),
	} {
		got := strings.ReplaceAll(strings.Join(args, " "), strings.Join(guard, " "), "GUARD")
		if got = strings.ReplaceAll(got, strings.Join(artGuard, " "), "ARTGUARD"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestFit keeps the pictures that there is room for, in their order.
func TestFit(t *testing.T) {
	r := &encode{dir: t.TempDir()}
	var all []cover
	for i, n := range []int{3, 5, 2, 1} {
		c := cover{File: strconv.Itoa(i)}
		if err := os.WriteFile(filepath.Join(r.dir, c.File), make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for room, want := range map[int64]string{0: "", 3: "0", 5: "02", 6: "023", 7: "023", 8: "01", 11: "0123", 99: "0123"} {
		fit, err := r.fit(all, room, func(n int64) int64 { return n })
		var names []string
		for _, c := range fit {
			names = append(names, c.File)
		}
		if got := strings.Join(names, ""); err != nil || got != want {
			t.Errorf("room for %d bytes has %q, %v; want %q", room, names, err, want)
		}
	}
	if _, err := r.fit([]cover{{File: "gone"}}, 1, func(n int64) int64 { return n }); err == nil {
		t.Error("a picture that is not there fits")
	}
}
