package web

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"

	"etude/internal/transcode"
)

const (
	maxFiles    = 100     // in one upload
	maxFields   = 64      // in one upload, besides files
	formRoom    = 1 << 20 // bytes that a form may have around its files
	uploadStall = 60 * time.Second
	drainRefuse = 8 << 20 // bytes read on after a refusal
	tidyTime    = 30 * time.Second
)

// fault is what is wrong with an upload, by whoever sent it.
type fault struct {
	status int
	words  string
}

func (f *fault) Error() string { return f.words }

func unfit(format string, args ...any) error {
	return &fault{http.StatusUnprocessableEntity, fmt.Sprintf(format, args...)}
}

// stored is a file of an upload that lies in the bucket.
type stored struct {
	id   string
	name string
	ref  transcode.ObjectRef
	info transcode.ObjectInfo
}

// upload takes files and makes a job of each. Either all of them become jobs
// or, as far as that can be had, nothing is left of any. Each is claimed before
// it is stored, so that no rule which hears of it makes a job of its own: see
// rule.Service.ClaimUpload.
func (s *Site) upload(w http.ResponseWriter, v *visit) {
	jobs, err := s.takeUpload(w, v)
	// It may have taken longer than the server gives to ordinary requests.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	if err != nil {
		s.refuseUpload(w, v, err)
		return
	}
	if wantsText(v.Request) {
		w.Header().Set("Location", fileURL(jobs[0]))
		plain(w, http.StatusCreated, "stored")
		return
	}
	http.Redirect(w, v.Request, "/", http.StatusSeeOther)
}

func (s *Site) takeUpload(w http.ResponseWriter, v *visit) ([]transcode.JobID, error) {
	v.Body = &steadyBody{
		ReadCloser: http.MaxBytesReader(w, v.Body, s.cfg.MaxUpload+formRoom),
		control:    http.NewResponseController(w),
	}
	if v.ContentLength > s.cfg.MaxUpload+formRoom {
		return nil, s.tooLarge()
	}
	form, err := v.MultipartReader()
	if err != nil {
		return nil, &fault{http.StatusBadRequest, "This is not an upload. Use the form on the library page."}
	}
	files, chosen, err := s.storeFiles(v, form, v.URL.Query()["format"])
	if err != nil {
		s.discard(v.Context(), files)
		return nil, s.uploadFault(err)
	}
	return s.createJobs(v, files, chosen)
}

// storeFiles streams the form's files into the bucket. It returns what it has
// stored also with an error. Formats may stand before or after the files; those
// that stand before are known in time for the claim.
func (s *Site) storeFiles(v *visit, form *multipart.Reader, wanted []string) (files []stored, chosen []format, err error) {
	fields, left := 0, s.cfg.MaxUpload
	for {
		part, err := form.NextRawPart()
		if err == io.EOF { // wrapped, it would say that the form broke off
			break
		}
		if err != nil {
			return files, nil, err
		}
		name, isFile := fileName(part)
		switch {
		case isFile && name == "":
			continue // the file input was left alone
		case isFile && len(files) == maxFiles:
			return files, nil, unfit("These are more than %d files. Upload them in several goes.", maxFiles)
		case isFile:
			file, err := s.storeFile(v, part, name, left, wanted)
			if err != nil {
				return files, nil, err
			}
			files, left = append(files, file), left-file.info.Size
		default:
			if fields++; fields > maxFields {
				return files, nil, unfit("This form has more fields than the one on the library page.")
			}
			value, err := io.ReadAll(io.LimitReader(part, 1<<10))
			if err != nil {
				return files, nil, err
			}
			if part.FormName() == "format" {
				wanted = append(wanted, string(value))
			}
		}
	}
	if len(files) == 0 {
		return nil, nil, unfit("No file was chosen. Choose one or more files, then upload.")
	}
	chosen, err = chooseFormats(wanted)
	return files, chosen, err
}

// fileName returns what the client calls a part's file, and whether the part
// is one.
func fileName(part *multipart.Part) (name string, isFile bool) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return "", false
	}
	name, isFile = params["filename"]
	return name, isFile
}

func chooseFormats(wanted []string) ([]format, error) {
	asked := map[string]bool{}
	for _, name := range wanted {
		if _, ok := formatNamed(name); !ok {
			return nil, unfit("There is no format %q. Choose among those of the form.", cut(name, 40))
		}
		asked[name] = true
	}
	var chosen []format
	for _, f := range formats {
		if asked[f.Name] {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return nil, unfit("No format was chosen. Tick at least one.")
	}
	return chosen, nil
}

// storeFile claims and stores a file of which the wanted formats are to be made,
// as far as they are known.
func (s *Site) storeFile(v *visit, part *multipart.Part, name string, left int64, wanted []string) (stored, error) {
	file := stored{id: strings.ToLower(rand.Text()), name: safeName(name)}
	file.ref = transcode.ObjectRef{Bucket: s.cfg.Bucket, Key: "media/" + file.id + "/" + file.name}
	content := bufio.NewReader(part)
	switch _, err := content.Peek(1); {
	case errors.Is(err, io.EOF):
		return stored{}, unfit("%s is empty. Check the file on your computer and upload it again.", file.name)
	case err != nil:
		return stored{}, err
	}
	if err := s.claim(v.Context(), v.owner(), file, wanted); err != nil {
		return stored{}, err
	}
	info, err := s.cfg.Objects.Put(v.Context(), file.ref, content, left, mediaType(part.Header.Get("Content-Type")))
	if err != nil {
		s.dropClaim(v.Context(), file)
		return stored{}, fmt.Errorf("store upload: %w", err)
	}
	file.info = info
	return file, nil
}

func (s *Site) claim(ctx context.Context, owner string, file stored, wanted []string) error {
	var spec *transcode.JobSpec
	if chosen, err := chooseFormats(wanted); err == nil {
		known := s.spec(owner, file, chosen)
		spec = &known
	}
	return s.cfg.Rules.ClaimUpload(ctx, file.ref, owner, spec)
}

// dropClaim ends the claim on a file that is not there any more, even if its
// client has gone.
func (s *Site) dropClaim(ctx context.Context, file stored) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if err := s.cfg.Rules.DropClaim(ctx, file.ref); err != nil {
		s.log.Warn("claim on a refused upload is left until the next start", "bucket", file.ref.Bucket, "key", file.ref.Key, "err", err)
	}
}

// mediaType keeps a client's word only if it is sound or picture, so that
// nothing that was uploaded is ever served as a page.
func mediaType(claimed string) string {
	t, _, err := mime.ParseMediaType(claimed)
	if err == nil && (strings.HasPrefix(t, "audio/") || strings.HasPrefix(t, "video/")) {
		return t
	}
	return "application/octet-stream"
}

// createJobs makes a job of every file, also if their client has gone: all of
// them are here. If one cannot be made, the rest of the files is removed, and
// those before it stay.
func (s *Site) createJobs(v *visit, files []stored, chosen []format) ([]transcode.JobID, error) {
	ctx := context.WithoutCancel(v.Context())
	var made []transcode.JobID
	for i, file := range files {
		job, err := s.cfg.Rules.Settle(ctx, s.spec(v.owner(), file, chosen), file.ref, file.info)
		if err == nil {
			made = append(made, job.ID)
			continue
		}
		s.discard(v.Context(), files[i:])
		var refused *transcode.Error
		if errors.As(err, &refused) {
			return nil, unfit("%s could not be taken: %s", file.name, refused.Message)
		}
		return nil, err
	}
	return made, nil
}

func (s *Site) spec(owner string, file stored, chosen []format) transcode.JobSpec {
	spec := transcode.JobSpec{
		Pipeline: s.cfg.Pipeline,
		Owner:    owner,
		Inputs: []transcode.Input{{
			Key: file.ref.Key, FrameRate: "auto", Resolution: "auto", AspectRatio: "auto", Interlaced: "auto", Container: "auto",
		}},
		OutputKeyPrefix: "transcoded/" + file.id + "/",
	}
	for _, f := range chosen {
		spec.Outputs = append(spec.Outputs, transcode.OutputSpec{Key: stem(file.name) + f.Ext, PresetID: f.Preset})
	}
	return spec
}

// discard removes files of an upload that came to nothing, even if its client
// has gone. Their claims stay, for events that come late; Rules.Recover ends them.
func (s *Site) discard(ctx context.Context, files []stored) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	for _, file := range files {
		if err := s.cfg.Objects.Delete(ctx, file.ref); err != nil {
			s.log.Error("file of a refused upload is left behind", "bucket", file.ref.Bucket, "key", file.ref.Key, "err", err)
		}
	}
}

// uploadFault tells the client's faults from ours.
func (s *Site) uploadFault(err error) error {
	var ours *fault
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &ours):
		return err
	case errors.As(err, &limit), errors.Is(err, transcode.ErrTooLarge):
		return s.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault{http.StatusRequestTimeout, "The upload stood still for a minute and was given up; nothing of it was kept. Check your connection and try again."}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, multipart.ErrMessageTooLarge):
		return &fault{http.StatusBadRequest, "The upload broke off; nothing of it was kept. Try again."}
	}
	return err
}

func (s *Site) tooLarge() error {
	return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf(
		"This is larger than %s, the most that one upload may have; nothing of it was kept. Upload several files one by one, or ask the operator to raise the limit.", limit(s.cfg.MaxUpload))}
}

// refuseUpload shows the library again with what is wrong.
func (s *Site) refuseUpload(w http.ResponseWriter, v *visit, err error) {
	var f *fault
	if !errors.As(err, &f) {
		s.broken(w, v.Request, err)
		return
	}
	if f.status == http.StatusRequestEntityTooLarge || f.status == http.StatusUnprocessableEntity {
		// A browser that is still sending would not see the answer, but a broken
		// connection; a little more of patience is enough for most.
		_, _ = io.CopyN(io.Discard, v.Body, drainRefuse)
	}
	if wantsText(v.Request) {
		plain(w, f.status, f.words)
		return
	}
	s.showLibrary(w, v, f.status, "", f.words)
}

// steadyBody gives up a body that stands still, however long it takes in all.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *steadyBody) Read(p []byte) (int, error) {
	// Where there are no deadlines, the server's own limits have to do.
	_ = b.control.SetReadDeadline(time.Now().Add(uploadStall))
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		// Left in place, it would end the request while its jobs are made.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
