/** What the server has given to a channel, under its number there. */
interface Delivery {
  readonly fields: { readonly deliveryTag: number }
}

/** What of a channel this needs. */
interface Telling<D> {
  readonly ack: (delivery: D, allUpTo?: boolean) => void
  readonly nack: (delivery: D, allUpTo: boolean, requeue: boolean) => void
}

/**
 * Tells the server what is over of what it has given to a channel. It counts those from one: where all up to some place are over, one word
 * says so, and the queue has one entry in its log in place of one for each.
 *
 * The invariant: all before `first` is over. What this does not know of is not.
 */
export class Acks<D extends Delivery> {
  private readonly channel: Telling<D>
  private first = 1
  /** What is over behind `first`, as ranges: the last of each by the first, and the other way round. */
  private readonly lasts = new Map<number, number>()
  private readonly firsts = new Map<number, number>()
  constructor(channel: Telling<D>) {
    this.channel = channel
  }

  /** They are done. */
  done(all: ReadonlyArray<D>): void {
    for (const one of all) this.end(one)
    let last: D | undefined
    for (const one of all) {
      if (one.fields.deliveryTag >= this.first) this.channel.ack(one)
      else if (last === undefined || one.fields.deliveryTag > last.fields.deliveryTag) last = one
    }
    // The last of them: the server refuses a word on what it was told before.
    if (last !== undefined) this.channel.ack(last, true)
  }

  /** The server gets it back, into its place. */
  back(one: D): void {
    this.channel.nack(one, false, true)
    this.end(one)
  }

  private end({ fields: { deliveryTag } }: D): void {
    const first = this.firsts.get(deliveryTag - 1) ?? deliveryTag
    const last = this.lasts.get(deliveryTag + 1) ?? deliveryTag
    this.firsts.delete(deliveryTag - 1)
    this.lasts.delete(deliveryTag + 1)
    if (first === this.first) {
      this.firsts.delete(last)
      this.first = last + 1
    } else {
      this.firsts.set(last, first)
      this.lasts.set(first, last)
    }
  }
}
