/** Where a message goes. */
export interface Address {
  readonly exchange: string
  readonly key: string
  /** Whether it comes back, with its correlation id, where no queue takes it. */
  readonly mandatory: boolean
}

/** What goes with a message. Names of headers and the other texts have at most 255 bytes. */
export interface Properties {
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly persistent?: boolean
  readonly messageId?: string
  readonly timestamp?: number
}

/**
 * Writes messages to a channel as AMQP 0-9-1 frames: the method, the properties, and the content in parts that are no larger than the server
 * takes. Many share a piece of memory, which is sent when it is full or when somebody says so: the client's own way has seven for each.
 *
 * The invariant: what has been sent is not written over.
 */
export class Frames {
  private readonly channel: number
  private readonly mostBody: number
  private readonly send: (bytes: Uint8Array) => void
  private piece = Buffer.allocUnsafeSlow(pieceSize)
  /** What is before has been sent. */
  private from = 0
  private at = 0
  private method: { readonly to: Address; readonly frame: Buffer } | undefined
  constructor(channel: number, mostFrame: number, send: (bytes: Uint8Array) => void) {
    this.channel = channel
    this.mostBody = mostFrame - around
    this.send = send
  }

  /** `number` is the message's correlation id. */
  write(to: Address, number: number, properties: Properties, content: Uint8Array): void {
    const method = this.methodOf(to)
    const bodies = content.length + around * Math.ceil(content.length / this.mostBody)
    this.reserve(method.length + mostOf(properties) + bodies)
    this.at += method.copy(this.piece, this.at)
    this.writeProperties(to.mandatory ? String(number) : undefined, properties, content.length)
    for (let from = 0; from < content.length; from += this.mostBody) {
      const start = this.begin(frames.body)
      const part = content.subarray(from, from + this.mostBody)
      this.piece.set(part, this.at)
      this.at += part.length
      this.end(start)
    }
  }

  /** Sends what has been written since the last time. */
  flush(): void {
    if (this.at === this.from) return
    this.send(this.piece.subarray(this.from, this.at))
    this.from = this.at
  }

  private reserve(most: number): void {
    if (this.at + most <= this.piece.length) return
    this.flush()
    this.piece = Buffer.allocUnsafeSlow(Math.max(pieceSize, most))
    this.from = this.at = 0
  }

  /** Messages that follow one another often go to the same place. */
  private methodOf(to: Address): Buffer {
    if (this.method !== undefined && isSame(this.method.to, to)) return this.method.frame
    const { exchange, key, mandatory } = to
    this.reserve(around + 9 + 3 * (exchange.length + key.length))
    const [piece, start] = [this.piece, this.at]
    this.begin(frames.method)
    this.number(publish, 4)
    this.number(0, 2)
    this.text(exchange)
    this.text(key)
    this.number(mandatory ? 1 : 0, 1)
    this.end(start)
    const frame = Buffer.from(piece.subarray(start, this.at))
    this.at = start
    this.method = { to, frame }
    return frame
  }

  private writeProperties(
    correlationId: string | undefined,
    { headers, messageId, persistent = false, timestamp }: Properties,
    size: number
  ): void {
    const start = this.begin(frames.properties)
    this.number(basic, 2)
    this.number(0, 2)
    this.number(size, 8)
    this.number(
      (headers === undefined ? 0 : 1 << 13) | (persistent ? 1 << 12 : 0) | (correlationId === undefined ? 0 : 1 << 10) |
        (messageId === undefined ? 0 : 1 << 7) | (timestamp === undefined ? 0 : 1 << 6),
      2
    )
    if (headers !== undefined) this.table(headers)
    if (persistent) this.number(2, 1)
    if (correlationId !== undefined) this.text(correlationId)
    if (messageId !== undefined) this.text(messageId)
    if (timestamp !== undefined) this.number(timestamp, 8)
    this.end(start)
  }

  private table(headers: Readonly<Record<string, string>>): void {
    const start = this.at
    this.at += 4
    for (const name in headers) {
      this.text(name)
      this.number(longText, 1)
      const at = this.at
      this.at += 4
      this.at += this.piece.write(headers[name] ?? "", this.at)
      this.piece.writeUInt32BE(this.at - at - 4, at)
    }
    this.piece.writeUInt32BE(this.at - start - 4, start)
  }

  private text(text: string): void {
    const length = this.piece.write(text, this.at + 1)
    this.piece[this.at] = length
    this.at += 1 + length
  }

  /** A whole number, the highest byte first. */
  private number(value: number, bytes: number): void {
    let rest = value
    for (let at = this.at + bytes - 1; at >= this.at; at--) {
      this.piece[at] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.at += bytes
  }

  private begin(type: number): number {
    const start = this.at
    this.number(type, 1)
    this.number(this.channel, 2)
    this.at += 4
    return start
  }

  private end(start: number): void {
    this.piece.writeUInt32BE(this.at - start - 7, start + 3)
    this.number(last, 1)
  }
}

const mostOf = ({ headers, messageId = "" }: Properties): number => {
  let most = around + 50 + 3 * messageId.length
  if (headers !== undefined) {
    most += 4
    for (const name in headers) most += 6 + 3 * (name.length + (headers[name] ?? "").length)
  }
  return most
}

const isSame = (one: Address, other: Address): boolean =>
  one === other || (one.key === other.key && one.exchange === other.exchange && one.mandatory === other.mandatory)

const pieceSize = 65_536
const frames = { method: 1, properties: 2, body: 3 }
/** What a frame has around what it carries: its type, its channel, its size, and its last byte. */
const around = 8
const last = 0xce
const basic = 60
/** `basic.publish`. */
const publish = basic * 65_536 + 40
/** How a table marks a text. */
const longText = "S".charCodeAt(0)
