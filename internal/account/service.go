package account

import "context"

// Store remembers users and access keys. All methods may be called at once from
// many goroutines.
type Store interface {
	// InsertUser returns ErrEmailTaken if another user has the address.
	InsertUser(ctx context.Context, u *User) error
	// User, UserByEmail and FirstAdmin return ErrNotFound if there is none.
	User(ctx context.Context, id UserID) (*User, error)
	UserByEmail(ctx context.Context, email string) (*User, error)
	FirstAdmin(ctx context.Context) (*User, error)

	// PutAccessKey inserts k or replaces the key of the same ID. It does not
	// look at k.Email.
	PutAccessKey(ctx context.Context, k AccessKey) error
	// AccessKey and DeleteAccessKey return ErrNotFound if there is none.
	AccessKey(ctx context.Context, id string) (AccessKey, error)
	DeleteAccessKey(ctx context.Context, id string) error
	// AccessKeys returns all of them, the oldest first.
	AccessKeys(ctx context.Context) ([]AccessKey, error)
}

// Service is the accounts. All methods may be called at once from many
// goroutines.
type Service struct {
	store  Store
	master MasterKey
	limit  limiter
	root   rootKey
}

// New returns a Service of the accounts in store, whose secrets are sealed with
// key.
func New(store Store, key MasterKey) *Service {
	return &Service{store: store, master: key}
}
