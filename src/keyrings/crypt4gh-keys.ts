/** What Crypt4GH's header packets have for an algorithm among a keyring's. */
export const crypt4ghAlgorithm = 'crypt4gh'
