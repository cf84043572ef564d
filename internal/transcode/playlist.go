package transcode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"etude/internal/manifest"
)

// Playlist is the entry point over some outputs of a job.
type Playlist struct {
	Name         string // without the job's OutputKeyPrefix and an ending
	Format       string // HLSv3, HLSv4 or MPEG-DASH
	OutputKeys   []string
	Status       Status
	StatusDetail string
	Failure      *Failure // nil unless Status is Failed
}

// The formats of playlists, as the API spells them.
const (
	hlsV3 = "HLSv3"
	hlsV4 = "HLSv4"
	dash  = "MPEG-DASH"
)

// missingDependency ends a playlist of which an output failed.
var missingDependency = &Failure{
	Code:   1001,
	Detail: "Amazon Elastic Transcoder could not generate the playlist because it encountered an error with one or more of the playlists dependencies.",
	Reason: "The playlist could not be made because one of its outputs failed.",
	Remedy: "Look at the outputs for the reason.",
}

func (p *Playlist) fail(f *Failure) {
	p.Status, p.StatusDetail, p.Failure = Failed, f.statusDetail(), f.kept()
}

// layout says how an output is laid out in objects, by its container and by the
// playlists that it is in. It follows "Output Settings" of Elastic
// Transcoder's developer guide.
func (j *Job) layout(o *Output) Layout {
	switch {
	case o.Preset.Container == "fmp4":
		return Fragmented
	case o.Preset.Container != "ts" || o.SegmentDuration == "":
		return Whole
	}
	for _, p := range j.Playlists {
		if p.Format == hlsV4 && slices.Contains(p.OutputKeys, o.Key) {
			return ByteRanges
		}
	}
	return SegmentFiles
}

// firstSuffix is what follows an output's key in its first object's name.
func firstSuffix(l Layout) string {
	switch l {
	case SegmentFiles:
		return "00000.ts"
	case ByteRanges:
		return ".ts"
	}
	return ""
}

// writeMedia writes the HLS media playlist of a segmented output as one more of
// its files. A Fragmented output has its index within, and gets none.
func writeMedia(dir, key string, l Layout, o *EncodedOutput) error {
	m := manifest.HLSMedia{Version: manifest.HLSv3}
	suffix := ".m3u8"
	switch l {
	case SegmentFiles:
	case ByteRanges:
		m.Version, suffix = manifest.HLSv4, "_v4.m3u8"
	default:
		return nil
	}
	m.Name = key + suffix
	for _, s := range o.Made.Media.Segments {
		s.Name = key + s.Name
		m.Segments = append(m.Segments, s)
	}
	file := filepath.Join(dir, "media"+suffix)
	if err := writeFile(file, func(f *os.File) error { return manifest.WriteHLSMedia(f, m) }); err != nil {
		return fmt.Errorf("write media playlist of %q: %w", key, err)
	}
	o.Files = append(o.Files, EncodedFile{Path: file, Suffix: suffix, ContentType: "application/x-mpegURL"})
	return nil
}

// storePlaylists makes the job's playlists of the outputs that it has.
func (a *attempt) storePlaylists(ctx context.Context) error {
	for i := range a.job.Playlists {
		p := &a.job.Playlists[i]
		if p.Status.Final() {
			continue
		}
		renditions := a.job.renditions(p)
		if renditions == nil {
			p.fail(missingDependency)
			continue
		}
		if err := a.storePlaylist(ctx, p, renditions); err != nil {
			return err
		}
	}
	return nil
}

// renditions are a playlist's outputs, or nil if one of them failed.
func (j *Job) renditions(p *Playlist) (all []manifest.Rendition) {
	for _, key := range p.OutputKeys {
		i := slices.IndexFunc(j.Outputs, func(o Output) bool { return o.Key == key })
		if i < 0 || j.Outputs[i].Status != Complete || j.Outputs[i].Made.Media == nil {
			return nil
		}
		o := &j.Outputs[i]
		whole := j.OutputKeyPrefix + o.Key
		r := manifest.Rendition{
			Name: whole, Codecs: []string{codecName(o.Made)}, SampleRate: o.Made.SampleRate, Channels: o.Made.Channels,
			Init: o.Made.Media.Init, Index: o.Made.Media.Index,
		}
		switch j.layout(o) {
		case SegmentFiles:
			r.Name += ".m3u8"
		case ByteRanges:
			r.Name += "_v4.m3u8"
		}
		for _, s := range o.Made.Media.Segments {
			s.Name = whole + s.Name
			r.Segments = append(r.Segments, s)
		}
		all = append(all, r)
	}
	return all
}

// codecName is what CODECS says, after RFC 6381.
func codecName(m *Made) string {
	switch {
	case m.Codec == "mp3":
		return manifest.MP3
	case m.Profile == "HE-AACv2":
		return manifest.HEAACv2
	case m.Profile == "HE-AAC":
		return manifest.HEAAC
	}
	return manifest.AACLC
}

func (a *attempt) storePlaylist(ctx context.Context, p *Playlist, renditions []manifest.Rendition) error {
	key, contentType := a.job.OutputKeyPrefix+p.Name+".m3u8", "application/x-mpegURL"
	write := func(f *os.File) error {
		m := manifest.HLSMaster{Name: key, Version: manifest.HLSv3, Renditions: renditions}
		if p.Format == hlsV4 {
			m.Version = manifest.HLSv4
		}
		return manifest.WriteHLSMaster(f, m)
	}
	if p.Format == dash {
		key, contentType = a.job.OutputKeyPrefix+p.Name+".mpd", "application/dash+xml"
		write = func(f *os.File) error {
			return manifest.WriteDASH(f, manifest.DASH{Name: key, Renditions: renditions})
		}
	}
	file := filepath.Join(a.dir, "playlist")
	if err := writeFile(file, write); err != nil {
		return fmt.Errorf("write playlist %q: %w", p.Name, err)
	}
	ref := ObjectRef{Bucket: a.pipeline.Content.Bucket, Key: key}
	failure, err := a.storeObject(ctx, file, ref, contentType, string(a.job.ID)+"/playlist/"+p.Name)
	switch {
	case err != nil:
		return err
	case failure != nil:
		p.fail(failure)
		a.note(failure.Log)
	default:
		p.Status = Complete
	}
	return nil
}

func writeFile(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// checkPlaylists finds what is wrong with the playlists of a job whose outputs
// are right.
func (j *Job) checkPlaylists() error {
	names := map[string]bool{}
	for _, p := range j.Playlists {
		switch {
		case p.Name == "":
			return invalid("A Playlist has no Name.")
		case names[p.Name]:
			return invalid("Two Playlists have the Name %q.", p.Name)
		case p.Format == "Smooth":
			return invalid("Playlists of the Format Smooth cannot be made yet: playlist %q.", p.Name)
		case p.Format != hlsV3 && p.Format != hlsV4 && p.Format != dash:
			return invalid("The Playlist %q has no Format.", p.Name)
		case len(p.OutputKeys) == 0:
			return invalid("The Playlist %q has no OutputKeys.", p.Name)
		}
		names[p.Name] = true
		if err := j.checkPlaylist(&p); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) checkPlaylist(p *Playlist) error {
	container := "ts"
	if p.Format == dash {
		container = "fmp4"
	}
	folder, _ := path.Split(p.Name)
	seconds := ""
	for n, key := range p.OutputKeys {
		i := slices.IndexFunc(j.Outputs, func(o Output) bool { return o.Key == key })
		if i < 0 {
			return invalid("The Playlist %q names the output key %q, which is none of the job's.", p.Name, key)
		}
		o := &j.Outputs[i]
		switch first, _ := path.Split(j.Playlists[0].Name); {
		case !strings.HasPrefix(key, folder) || folder != first:
			return invalid("All outputs in a playlist must begin identically to the playlist name upto the last / character.")
		case o.Preset.Container != container:
			return invalid("The Playlist %q of the Format %s takes outputs in the container %s; %q is %s.", p.Name, p.Format, container, key, o.Preset.Container)
		case o.SegmentDuration == "":
			return invalid("The output %q is in the Playlist %q and needs a SegmentDuration.", key, p.Name)
		case n > 0 && !sameSeconds(o.SegmentDuration, seconds):
			return invalid("All outputs of the Playlist %q must have the same SegmentDuration.", p.Name)
		case p.Format == hlsV3 && j.layout(o) == ByteRanges:
			return invalid("The output %q is in Playlists of both HLSv3 and HLSv4, which lay it out differently.", key)
		}
		seconds = o.SegmentDuration
	}
	return nil
}
