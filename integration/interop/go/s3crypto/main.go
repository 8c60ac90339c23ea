// service/s3/s3crypto of the AWS SDK for Go, version 1: its first generation (EncryptionClient, DecryptionClient) and its
// second (EncryptionClientV2, DecryptionClientV2).
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/kms"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3crypto"
)

// Names of clients in ../../peers/go-s3crypto.ts.
const (
	first  = "s3crypto.EncryptionClient"
	pkcs7  = "s3crypto.EncryptionClient, NewPKCS7Padder"
	second = "s3crypto.EncryptionClientV2"
)

var sess = session.Must(session.NewSession(aws.NewConfig().WithS3ForcePathStyle(true)))

// The session that the clients make their own S3 client from. KMS has another endpoint.
var s3Session = sess.Copy(aws.NewConfig().WithEndpoint(os.Getenv("S3_ENDPOINT")))
var kmsClient = kms.New(sess, aws.NewConfig().WithEndpoint(os.Getenv("KMS_ENDPOINT")))

func main() {
	serve(func(r *request) error {
		switch r.Op {
		case "put":
			return put(r)
		case "get":
			return get(r)
		}
		return unsupported(r)
	})
}

func put(r *request) error {
	if r.Format != "V2" || r.PartSize != 0 {
		return unsupported(r)
	}
	file, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	input := &s3.PutObjectInput{Bucket: &r.Bucket, Key: &r.Key, Body: file}
	var save s3crypto.SaveStrategy = s3crypto.HeaderV2SaveStrategy{}
	if r.Envelope == "instruction-file" {
		save = s3crypto.S3SaveStrategy{Client: s3.New(s3Session), InstructionFileSuffix: r.Suffix}
	}
	context := s3crypto.MaterialDescription{}
	for name, value := range r.Context {
		context[name] = aws.String(value)
	}

	if r.Client == second {
		if r.Content != "GCM" {
			return unsupported(r)
		}
		builder := s3crypto.AESGCMContentCipherBuilderV2(
			s3crypto.NewKMSContextKeyGenerator(kmsClient, r.WrappingKey.Arn, context))
		client, err := s3crypto.NewEncryptionClientV2(s3Session, builder, func(o *s3crypto.EncryptionClientOptions) {
			o.SaveStrategy = save
		})
		if err != nil {
			return err
		}
		_, err = client.PutObject(input)
		return err
	}

	generator := s3crypto.NewKMSKeyGeneratorWithMatDesc(kmsClient, r.WrappingKey.Arn, context)
	var builder s3crypto.ContentCipherBuilder
	switch {
	case r.Client == first && r.Content == "GCM":
		builder = s3crypto.AESGCMContentCipherBuilder(generator)
	case r.Client == first && r.Content == "CBC":
		builder = s3crypto.AESCBCContentCipherBuilder(generator, s3crypto.AESCBCPadder)
	case r.Client == pkcs7 && r.Content == "CBC":
		builder = s3crypto.AESCBCContentCipherBuilder(generator, s3crypto.NewPKCS7Padder(16))
	default:
		return unsupported(r)
	}
	client := s3crypto.NewEncryptionClient(s3Session, builder, func(c *s3crypto.EncryptionClient) {
		c.SaveStrategy = save
	})
	_, err = client.PutObject(input)
	return err
}

func get(r *request) error {
	if r.Range != "" {
		return unsupported(r)
	}
	input := &s3.GetObjectInput{Bucket: &r.Bucket, Key: &r.Key}
	output, err := getObject(r, input)
	if err != nil {
		return err
	}
	defer output.Body.Close()
	file, err := os.Create(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, output.Body)
	return err
}

func getObject(r *request, input *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	var load s3crypto.LoadStrategy
	if r.Suffix != "" {
		load = s3crypto.S3LoadStrategy{Client: s3.New(s3Session), InstructionFileSuffix: r.Suffix}
	}
	switch r.Client {
	case first, pkcs7:
		// It has no way to name the KMS key it reads with, and no switch for old algorithms.
		client := s3crypto.NewDecryptionClient(s3Session, func(c *s3crypto.DecryptionClient) {
			c.WrapRegistry[s3crypto.KMSWrap] = s3crypto.NewKMSWrapEntry(kmsClient)
			registry := s3crypto.NewCryptoRegistry()
			if err := s3crypto.RegisterKMSContextWrapWithAnyCMK(registry, kmsClient); err != nil {
				panic(err)
			}
			c.WrapRegistry[s3crypto.KMSContextWrap], _ = registry.GetWrap(s3crypto.KMSContextWrap)
			if load != nil {
				c.LoadStrategy = load
			}
		})
		return client.GetObject(input)
	case second:
		registry := s3crypto.NewCryptoRegistry()
		errs := []error{
			s3crypto.RegisterKMSContextWrapWithCMK(registry, kmsClient, r.WrappingKey.Arn),
			s3crypto.RegisterAESGCMContentCipher(registry),
		}
		if r.Legacy {
			errs = append(errs,
				s3crypto.RegisterKMSWrapWithCMK(registry, kmsClient, r.WrappingKey.Arn),
				s3crypto.RegisterAESCBCContentCipher(registry, s3crypto.AESCBCPadder))
		}
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		client, err := s3crypto.NewDecryptionClientV2(s3Session, registry, func(o *s3crypto.DecryptionClientOptions) {
			if load != nil {
				o.LoadStrategy = load
			}
		})
		if err != nil {
			return nil, err
		}
		return client.GetObject(input)
	}
	return nil, fmt.Errorf("no such client: %s", r.Client)
}
