package transcode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// maxArtwork is the largest artwork file in bytes. Elastic Transcoder's own
// limit is not known; embedded pictures are rarely above 2 MB.
const maxArtwork = 20 << 20

// art fetches an output's artwork. No AlbumArt means that nothing is said of
// pictures: then the input's own are kept, where Elastic Transcoder dropped them.
// Without a MergePolicy, of which nothing is documented, what is given is all
// there is.
func (a *attempt) art(ctx context.Context, o *Output) (*Art, *Failure, error) {
	if o.AlbumArt == nil {
		return nil, nil, nil
	}
	art := &Art{MergePolicy: cmp.Or(o.AlbumArt.MergePolicy, "Replace")}
	for i, w := range o.AlbumArt.Artwork {
		ref := ObjectRef{Bucket: a.pipeline.InputBucket, Key: w.InputKey}
		path := filepath.Join(a.dir, fmt.Sprintf("art%s-%d", o.ID, i+1))
		_, err := a.svc.Objects.Fetch(ctx, ref, path, maxArtwork)
		if err != nil {
			err = artFailure(err, ref)
			var failure *Failure
			if errors.As(err, &failure) {
				return nil, failure, nil
			}
			return nil, nil, err
		}
		picture, err := w.picture(path)
		if err != nil {
			return nil, nil, err
		}
		art.Pictures = append(art.Pictures, picture)
	}
	return art, nil, nil
}

// artFailure is inputFailure with artwork's own code for one that is too large.
func artFailure(err error, ref ObjectRef) error {
	if !errors.Is(err, ErrTooLarge) {
		return inputFailure(err, ref, "The artwork", maxArtwork)
	}
	return &Failure{
		Code:   4005,
		Detail: fmt.Sprintf("The artwork file is too large: bucket=%s, key=%s, max size=%d.", ref.Bucket, ref.Key, maxArtwork),
		Reason: fmt.Sprintf("The artwork is larger than %d MiB.", maxArtwork>>20),
		Remedy: "Use a smaller picture.",
	}
}

// picture reads what an Artwork says. The sizes are those of "Album Art" in
// Elastic Transcoder's developer guide; auto is 600.
func (w *Artwork) picture(path string) (p Picture, err error) {
	p = Picture{Path: path, SizingPolicy: w.SizingPolicy, PaddingPolicy: w.PaddingPolicy, Format: w.Format}
	if p.MaxWidth, err = artSize("MaxWidth", w.MaxWidth, 4096); err != nil {
		return p, err
	}
	p.MaxHeight, err = artSize("MaxHeight", w.MaxHeight, 3072)
	return p, err
}

func artSize(member, value string, most int) (int, error) {
	if value == "" || value == "auto" {
		return 600, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 32 || n > most || n%2 != 0 {
		return 0, fmt.Errorf("%s of Artwork is %q: it must be auto or an even number from 32 to %d", member, value, most)
	}
	return n, nil
}
