/** One word of a command; strings are sent as UTF-8. */
export type Word = string | number | bigint | Buffer | Uint8Array | NodeJS.TypedArray | DataView | ArrayBuffer

/** A word, or several. */
export type Words = Word | readonly Word[]

/** Further words of a command, and options behind them. */
export type More = Words[] | [...Words[], CallOptions]

/** Any answer. T is what strings of the server are; statuses such as OK are strings in any case. */
export type Reply<T = string> =
  | T
  | string
  | number
  | bigint
  | boolean
  | null
  | Error
  | Reply<T>[]
  | Set<Reply<T>>
  | Map<Reply<T>, Reply<T>>
  | { [key: string]: Reply<T> }

/** What may be said of a command. */
export interface CallOptions {
  /** Milliseconds; Infinity is none, without it the option `command_timeout` counts. */
  timeout?: number
  /** Aborting it ends the request; the promise is rejected with an AbortError. */
  signal?: AbortSignal
  /** Which nodes: "primaries", "replicas", "all" (an object of address to answer), "random", "host:port", "slot:N". */
  route?: string
  /** A replica may answer. */
  replica?: boolean
  /** It may be answered from the cache (option `cache_bytes`). */
  cached?: boolean
  /** It may run twice: it is sent again when its connection is lost. */
  idempotent?: boolean
  /** On a connection of its own. */
  dedicated?: boolean
}
