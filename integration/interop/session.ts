import type { Peer } from './peer.js'
import { startPeer } from './peer-process.js'
import type { Endpoints, PeerCommand, PeerProcess, Unnumbered } from './peer-process.js'
import type { PeerRequest } from './protocol.js'

export interface Session {
  /** Rejects with what the client threw, by class and message. */
  ask(request: Unnumbered<PeerRequest>): Promise<void>
  close(): Promise<void>
}

/** The client has thrown; everything else is a program that does not work. */
export class PeerError extends Error {}

/** A program that is started when it is first asked, anew after an end, and after as many requests as the peer bears. */
export function session(peer: Pick<Peer, 'requestsPerProcess'>, command: PeerCommand, endpoints: Endpoints): Session {
  let running: PeerProcess | undefined
  let asked = 0
  let last: Promise<unknown> = Promise.resolve()
  const close = async (): Promise<void> => {
    const ending = running
    running = undefined
    await ending?.close()
  }
  const send = async (request: Unnumbered<PeerRequest>): Promise<void> => {
    if (asked >= (peer.requestsPerProcess ?? Infinity)) {
      await close()
      asked = 0
    }
    running ??= startPeer(command, endpoints)
    asked += 1
    const answer = await running.ask(request).catch(async (error: unknown) => {
      await close()
      throw error
    })
    if (!answer.ok) throw new PeerError(answer.error)
  }
  return {
    ask(request) {
      const answer = last.then(() => send(request))
      last = answer.catch(() => undefined)
      return answer
    },
    async close() {
      await last
      await close()
    },
  }
}
