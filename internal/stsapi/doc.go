// Package stsapi is the part of AWS's Security Token Service that programs ask
// to find out who they are: GetCallerIdentity, over the Query protocol.
//
// It knows nothing of temporary credentials or of roles to assume, nor of what
// an access key may do elsewhere; and it keeps no state.
//
// Facts are from https://docs.aws.amazon.com/STS/latest/APIReference/.
package stsapi
