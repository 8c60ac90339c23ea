# The encryption clients of the AWS SDK for Ruby, by the lines of ../protocol.ts.
require 'aws-sdk-s3'
require 'aws-sdk-kms'
require 'json'

S3 = Aws::S3::Client.new(endpoint: ENV.fetch('S3_ENDPOINT'), force_path_style: true)
KMS = Aws::KMS::Client.new(endpoint: ENV.fetch('KMS_ENDPOINT'))

# One key and its materials description.
class Provider
  Given = Struct.new(:key, :description)

  def initialize(key, context)
    @given = Given.new(key, JSON.generate(context))
  end

  def encryption_materials
    @given
  end

  def key_for(_description)
    @given.key
  end
end

def key_options(request)
  key = request['wrappingKey']
  case key['kind']
  when 'kms' then { kms_key_id: key['arn'], kms_client: KMS }
  when 'rsa' then { key_provider: Provider.new(OpenSSL::PKey::RSA.new(key['privateKey']), request['context']) }
  else { key_provider: Provider.new([key['hex']].pack('H*'), request['context']) }
  end
end

SCHEMAS = { 'kms' => :kms_context, 'rsa' => :rsa_oaep_sha1, 'aes' => :aes_gcm }.freeze

def client_for(request)
  options = key_options(request).merge(client: S3)
  options[:envelope_location] = :instruction_file if request['envelope'] == 'instruction-file'
  options[:instruction_file_suffix] = request['suffix'] if request['suffix']
  return Aws::S3::Encryption::Client.new(options) if request['client'] == 'Encryption::Client'

  Aws::S3::EncryptionV2::Client.new(
    **options,
    key_wrap_schema: SCHEMAS.fetch(request['wrappingKey']['kind']),
    content_encryption_schema: :aes_gcm_no_padding,
    security_profile: request['legacy'] ? :v2_and_legacy : :v2
  )
end

def handle(request)
  client = client_for(request)
  place = { bucket: request['bucket'], key: request['key'] }
  context = {}
  if request['client'] == 'EncryptionV2::Client' && request['wrappingKey']['kind'] == 'kms' && !request['context'].empty?
    context = { kms_encryption_context: request['context'] }
  end
  case request['op']
  when 'put'
    File.open(request['file'], 'rb') { |file| client.put_object(**place, **context, body: file) }
  when 'get'
    place[:range] = request['range'] if request['range']
    # An aws-sdk-kms as old as Debian's cannot name the key, and reads in this mode only.
    context[:kms_allow_decrypt_with_any_cmk] = true if request['client'] == 'EncryptionV2::Client'
    body = client.get_object(place.merge(context)).body
    File.binwrite(request['file'], body.read)
  when 'delete' then client.delete_object(place)
  else raise ArgumentError, "unknown op #{request['op']}"
  end
end

answers = $stdout.dup
$stdout.reopen($stderr)
$stdin.each_line do |line|
  request = JSON.parse(line)
  begin
    handle(request)
    answer = { id: request['id'], ok: true }
  rescue StandardError, NotImplementedError => e
    answer = { id: request['id'], ok: false, error: "#{e.class}: #{e.message}" }
  end
  answers.puts(JSON.generate(answer))
  answers.flush
end
