package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"etude/internal/ffmpeg/ffmpegtest"
)

// badFiles are what people upload that is not, or not quite, music.
func badFiles(t *testing.T) map[string][]byte {
	wav, err := os.ReadFile(song(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	mp3, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "song.mp3", Samples: 8 * 44100}))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"empty.mp3":     {},
		"text.mp3":      []byte(strings.Repeat("This is no music at all.\n", 200)),
		"truncated.mp3": mp3[:len(mp3)/2],
		"truncated.wav": wav[:len(wav)/2],
	}
}

func TestBadInputThroughTheAPI(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	for name, want := range map[string]string{
		"empty.mp3":     "Error: Error/4000 Error/4000 Error/4000",
		"text.mp3":      "Error: Error/4000 Error/4000 Error/4000",
		"truncated.mp3": "Complete: Complete Complete Complete",
		"truncated.wav": "Complete: Complete Complete Complete",
		"missing.mp3":   "Error: Error/3001 Error/3001 Error/3001",
	} {
		t.Run(name, func(t *testing.T) {
			key, prefix := "media/bad/"+name, "transcoded/bad/"+name+"/"
			if content, ok := badFiles(t)[name]; ok {
				_, err := s.s3().PutObject(testContext(t), &s3.PutObjectInput{Bucket: aws.String("media"), Key: &key, Body: bytes.NewReader(content)})
				if err != nil {
					t.Fatal(err)
				}
			}
			job := s.await(t, *s.createJob(t, key, prefix).Id)
			if got := statuses(job); got != want {
				t.Errorf("job = %s, want %s", got, want)
			}
			if keys := s.keys(t, prefix); strings.HasPrefix(want, "Error") && len(keys) > 0 {
				t.Errorf("objects left of a failed job: %q", keys)
			}
			for _, o := range job.Outputs {
				if strings.HasPrefix(name, "truncated") && aws.ToString(o.StatusDetail) == "" {
					t.Errorf("output %s of a truncated file has no remark", *o.Key)
				}
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(s.data, "scratch", "*")); len(left) > 0 {
		t.Errorf("scratch files left: %q", left)
	}
}

func TestBadInputThroughTheSite(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	b := s.signIn(t)
	count := func() int { return len(s.keys(t, "media/")) }
	before := count()
	refused := func(name string, content io.Reader, status int, says string) {
		t.Helper()
		res, page := b.upload(t, name, content)
		if res.StatusCode != status || !strings.Contains(page, says) {
			t.Errorf("upload of %s = %s, want %d and %q on the page:\n%s", name, res.Status, status, says, page)
		}
	}
	refused("empty.mp3", strings.NewReader(""), http.StatusUnprocessableEntity, "empty")
	refused("large.wav", io.LimitReader(zeros{}, 9<<20), http.StatusRequestEntityTooLarge, "8 MiB")
	if after := count(); after != before {
		t.Errorf("refused uploads left %d objects", after-before)
	}

	res, page := b.upload(t, "text.mp3", bytes.NewReader(badFiles(t)["text.mp3"]))
	if res.StatusCode != http.StatusOK || !strings.Contains(page, "text.mp3") {
		t.Fatalf("upload of text.mp3 = %s, want the library with it", res.Status)
	}
	s.awaitMessage(t, b, "Your file text.mp3 could not be processed.")
}

// zeros is a file without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// awaitMessage returns when the user is shown a message.
func (s *server) awaitMessage(t *testing.T, b *browser, text string) {
	t.Helper()
	events := b.events(t, testContext(t))
	for !strings.Contains(b.page(t, "/messages"), text) {
		if err := events.next(); err != nil {
			t.Fatalf("wait for the message %q: %v\n%s", text, err, s.log)
		}
	}
}

func TestAwkwardNamesComeBackAsTheyWere(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	b := s.signIn(t)
	wav, err := os.ReadFile(song(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"two words.wav":            "two words.wav",
		"1 + 1 = 100%.wav":         "1 + 1 = 100%.wav",
		"%2e%2e%2f.wav":            "%2e%2e%2f.wav",
		"Übung №1 练习曲 🎹.wav":       "Übung №1 练习曲 🎹.wav",
		"../../../etc/passwd.wav":  "passwd.wav",
		`..\..\windows\system.wav`: "system.wav",
	} {
		t.Run(want, func(t *testing.T) {
			if res, page := b.upload(t, name, bytes.NewReader(wav)); res.StatusCode != http.StatusOK {
				t.Fatalf("upload = %s\n%s", res.Status, page)
			}
			s.awaitMessage(t, b, fmt.Sprintf("Your file %s has been processed.", escape(want)))
		})
	}
}

// escape writes text as a page does.
func escape(s string) string { return strings.NewReplacer("+", "&#43;").Replace(s) }

func TestAwkwardKeysThroughTheAPI(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	file := song(t, 1)
	for _, key := range []string{"media/awk/a b.wav", "media/awk/a+b.wav", "media/awk/a%2Fb.wav", "media/awk/é練.wav"} {
		t.Run(key, func(t *testing.T) {
			s.put(t, key, file)
			job := s.await(t, *s.createJob(t, key, "transcoded/"+key+"/").Id)
			if got, want := statuses(job), "Complete: Complete Complete Complete"; got != want {
				t.Errorf("job = %s, want %s", got, want)
			}
		})
	}
	t.Run("../", func(t *testing.T) {
		job := s.await(t, *s.createJob(t, "media/../../../../etc/passwd", "transcoded/up/").Id)
		if got, want := statuses(job), "Error: Error/3001 Error/3001 Error/3001"; got != want {
			t.Errorf("job that reads above the bucket = %s, want %s", got, want)
		}
		s.put(t, "media/awk/up.wav", file)
		job = s.await(t, *s.createJob(t, "media/awk/up.wav", "transcoded/../../../").Id)
		if got, want := statuses(job), "Error: Error/3000 Error/3000 Error/3000"; got != want {
			t.Errorf("job that writes above the bucket = %s, want %s", got, want)
		}
	})
}
