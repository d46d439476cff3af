/** Resolves a list of members, names and addresses mixed, for one gRPC channel; gRPC itself takes one name or a list of addresses. */
import { experimental, status } from "@grpc/grpc-js"

const scheme = "heddle-etcd"

interface Part {
  readonly resolver: experimental.Resolver
  readonly answer: () => experimental.StatusOr<Array<experimental.Endpoint>> | undefined
}

class Members implements experimental.Resolver {
  readonly parts: ReadonlyArray<Part>

  constructor(
    target: experimental.GrpcUri,
    listener: experimental.ResolverListener,
    options: Parameters<typeof experimental.createResolver>[2]
  ) {
    const settle = () => {
      const found: Array<experimental.Endpoint> = []
      let error = experimental.statusOrFromError<Array<experimental.Endpoint>>({
        code: status.UNAVAILABLE,
        details: `no member of ${target.path} has an address`
      })
      for (const part of this.parts) {
        const answer = part.answer()
        if (answer === undefined) return
        if (answer.ok) found.push(...answer.value)
        else error = answer
      }
      listener(found.length === 0 ? error : experimental.statusOrFromValue(found), {}, null, "")
    }
    this.parts = target.path.split(",").map((path) => {
      let answer: experimental.StatusOr<Array<experimental.Endpoint>> | undefined
      const resolver = experimental.createResolver({ scheme: "dns", path }, (result) => {
        answer = result
        settle()
        return true
      }, options)
      return { resolver, answer: () => answer }
    })
  }

  updateResolution() {
    for (const part of this.parts) part.resolver.updateResolution()
  }

  destroy() {
    for (const part of this.parts) part.resolver.destroy()
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.split(",", 1)[0] ?? target.path
  }
}

/** The target of a channel that knows all of `members`, each a `host:port`. */
export const target = (members: ReadonlyArray<string>): string => {
  experimental.registerResolver(scheme, Members)
  return `${scheme}:${members.join(",")}`
}
