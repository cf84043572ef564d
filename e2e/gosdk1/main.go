// Command gosdk1 calls Elastic Transcoder through AWS's first SDK for Go: each
// line of the input names an operation and its parameters, each line of the
// output has what came of it. The first line of the output has the version. It
// is a module of its own, so that nobody who builds Etude downloads an SDK that
// has come to its end.
package main

//nolint:staticcheck // It is deprecated; that old programs go on with it is what is tested.
import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/elastictranscoder"
)

type answer struct {
	Version string          `json:"version,omitempty"`
	Reply   json.RawMessage `json:"reply,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	config := aws.NewConfig().WithEndpoint(os.Getenv("EDGE")).WithMaxRetries(0)
	config.Logger = aws.LoggerFunc(log.New(os.Stderr, "", 0).Println) // it would print on the standard output
	s, err := session.NewSession(config)
	if err != nil {
		return err
	}
	client := reflect.ValueOf(elastictranscoder.New(s))
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(answer{Version: aws.SDKVersion}); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(call(client, lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// call does an operation: the SDK's structures have the API's names.
func call(client reflect.Value, line []byte) answer {
	var asked struct {
		Operation string
		Params    json.RawMessage
	}
	if err := json.Unmarshal(line, &asked); err != nil {
		return fault(err)
	}
	method := client.MethodByName(asked.Operation)
	input := reflect.New(method.Type().In(0).Elem())
	if err := json.Unmarshal(asked.Params, input.Interface()); err != nil {
		return fault(err)
	}
	results := method.Call([]reflect.Value{input})
	if err, _ := results[1].Interface().(error); err != nil {
		return fault(err)
	}
	reply, err := json.Marshal(results[0].Interface())
	if err != nil {
		return fault(err)
	}
	return answer{Reply: reply}
}

func fault(err error) answer {
	var said awserr.Error
	if errors.As(err, &said) {
		return answer{Code: said.Code(), Message: said.Message()}
	}
	return answer{Code: "Error", Message: err.Error()}
}
