// The Amazon S3 Encryption Client for Go, version 4.
package main

import (
	"context"
	"io"
	"os"

	"github.com/aws/amazon-s3-encryption-client-go/v4/client"
	"github.com/aws/amazon-s3-encryption-client-go/v4/commitment"
	"github.com/aws/amazon-s3-encryption-client-go/v4/materials"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	// For instruction files it makes an S3 client of its own, which knows the environment only.
	if err := os.Setenv("AWS_ENDPOINT_URL_S3", os.Getenv("S3_ENDPOINT")); err != nil {
		panic(err)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	s3Client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint = aws.String(os.Getenv("S3_ENDPOINT"))
		o.UsePathStyle = true
	})
	kmsClient := kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = aws.String(os.Getenv("KMS_ENDPOINT")) })

	serve(func(r *request) error {
		keyring := materials.NewKmsKeyring(kmsClient, r.WrappingKey.Arn, func(o *materials.KeyringOptions) {
			o.EnableLegacyWrappingAlgorithms = r.Legacy
		})
		manager, err := materials.NewCryptographicMaterialsManager(keyring)
		if err != nil {
			return err
		}
		c, err := client.New(s3Client, manager, func(o *client.EncryptionClientOptions) {
			o.EnableLegacyUnauthenticatedModes = r.Legacy
			if r.Format == "V2" {
				o.CommitmentPolicy = commitment.FORBID_ENCRYPT_ALLOW_DECRYPT
			}
		})
		if err != nil {
			return err
		}
		if r.Context == nil {
			r.Context = map[string]string{}
		}
		ctx := context.WithValue(context.Background(), client.EncryptionContext, r.Context)
		switch {
		case r.Op == "put" && r.PartSize == 0 && r.Envelope == "metadata":
			file, err := os.Open(r.File)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: &r.Bucket, Key: &r.Key, Body: file})
			return err
		case r.Op == "get" && r.Range == "" && r.Suffix == "":
			output, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.Bucket, Key: &r.Key})
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
		case r.Op == "delete":
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &r.Bucket, Key: &r.Key})
			return err
		}
		return unsupported(r)
	})
}
