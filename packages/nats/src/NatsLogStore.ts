/**
 * Keeps logs on a NATS server with JetStream, or on a cluster of them.
 *
 * **Details**
 *
 * A log is a stream of its own, `<prefix>=logs=<name>`, made when it is needed first; its entries are the messages, and an offset is the
 * number of a message in the stream. An entry's time is the server's. The server keeps what `retention` says, exactly: who appended last
 * with another one has changed it.
 *
 * A reader has a consumer of its own, which the server forgets when nobody asks it for a minute. It asks for up to 256 entries and gets them
 * as they come; nobody is asked again for what has come already, so a slow reader costs no memory. Where the number of an entry is not
 * the next one, what is between was let go, and the reader is told so. When a connection was replaced it asks from where it is.
 *
 * The position of a consumer is the last message of a subject in the stream `<prefix>=log-positions`. It is written on condition that it
 * is still the one that was read: so nobody moves it whose token is not the last. A commit is one round trip.
 *
 * **Gotchas**
 *
 * - An append of many entries is as many messages, 256 on their way at a time. Where it fails, any of the last 256 may have been
 *   appended, also without those before them.
 * - Offsets begin again at 1 where a stream was deleted. A reader who is further than that is told `Trimmed`.
 * - The streams are kept once. In a cluster raise their replicas (`nats stream edit`), if an entry must survive the loss of a server.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LogEntry, LogStore } from "heddle/messaging"
import { logSteps } from "./internal/logSteps.ts"
import * as Nats from "./Nats.ts"

/**
 * How the streams are named.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all streams and subjects of the server begin with: letters, digits, `_` and `-`. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How the streams are named, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Nats.Options {}

/**
 * Keeps logs on a connection that other stores may share. An entry has at most 1,000,000 bytes, or what the server allows. Fails where
 * the server has no JetStream, or the user may not use it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { prefix = "heddle" }: StoreOptions = {}
): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable, Nats.Nats> =>
  Layer.unwrap(
    Effect.gen(function*() {
      if (!/^[\w-]+$/.test(prefix)) return yield* badPrefix
      const nats = yield* Nats.Nats
      // A header has four bytes more on the wire than its characters.
      const room = (nats.connection.info?.max_payload ?? 1_048_576) - 32_800
      return LogStore.layerOf({
        backend: "nats",
        maxBytes: Math.min(1_000_000, room),
        steps: logSteps(nats, prefix)
      })
    })
  )

/**
 * Keeps logs with a connection of its own. Fails when no server can be reached or the credentials are refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Nats.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<LogStore.LogStore, LogEntry.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const badPrefix = new LogEntry.StoreUnavailable({
  backend: "nats",
  message: "the prefix must be letters, digits, _ and -, at least one"
})
