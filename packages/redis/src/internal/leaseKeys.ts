/** The keys and channels of one store, all under its prefix. */
export interface LeaseKeys {
  /** The resource's own key; its line adds `:q` and `:w`. All three hash to one slot. */
  readonly resource: (resource: string) => string
  /** Where the grants of a session are published; on a cluster in the slot of that tag. */
  readonly inbox: (session: string, tag?: string) => string
  /** Where changes of the resource with this key are noted. */
  readonly changes: (key: string) => string
}

export const leaseKeys = (prefix: string): LeaseKeys => {
  const start = escape(prefix)
  return {
    resource: (resource) => `${start}:{${escape(resource)}}`,
    inbox: (session, tag) => `${start}:inbox:${tag === undefined ? "" : `{${tag}}:`}${session}`,
    changes: (key) => `${key}:changes`
  }
}

const braced = /[%{}]/

/** Braces would end or move the hash tag, and so let two names share a key. */
export const escape = (text: string): string =>
  !braced.test(text) ? text : text.replace(/[%{}]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)

/** The pattern that matches this channel and no other. */
export const exactly = (channel: string): string => channel.replace(/[*?[\]\\]/g, "\\$&")
