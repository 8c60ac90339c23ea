// The small program's side of ../../protocol.ts. It is copied beside the main.go of each client before that is built.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type wrappingKey struct {
	Kind string `json:"kind"`
	Arn  string `json:"arn"`
}

type request struct {
	ID          int               `json:"id"`
	Op          string            `json:"op"`
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Client      string            `json:"client"`
	Format      string            `json:"format"`
	Content     string            `json:"content"`
	WrappingKey wrappingKey       `json:"wrappingKey"`
	Envelope    string            `json:"envelope"`
	Context     map[string]string `json:"context"`
	File        string            `json:"file"`
	PartSize    int64             `json:"partSize"`
	Legacy      bool              `json:"legacy"`
	Range       string            `json:"range"`
	Suffix      string            `json:"suffix"`
}

type answer struct {
	ID    int    `json:"id"`
	Ok    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// What the program was asked for and the client has not: a mistake in its list, not a refusal of the client.
func unsupported(r *request) error {
	return fmt.Errorf("the program cannot do this: %s %s %s", r.Client, r.Op, r.Format)
}

func serve(handle func(r *request) error) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 0, 1<<16), 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		r := request{}
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, "no request:", err)
			os.Exit(2)
		}
		a := answer{ID: r.ID, Ok: true}
		if err := guarded(handle, &r); err != nil {
			a = answer{ID: r.ID, Error: fmt.Sprintf("%T: %v", err, err)}
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, "no answer:", err)
			os.Exit(2)
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "no request:", err)
		os.Exit(2)
	}
}

// A panic of a client is the answer to this request, and the program goes on.
func guarded(handle func(r *request) error, r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if r.WrappingKey.Kind != "kms" {
		return unsupported(r)
	}
	return handle(r)
}
