export * as Explore from "./Explore.ts"
export * as FaultProxy from "./FaultProxy.ts"
export * as Server from "./Server.ts"
export * as Servers from "./Servers.ts"
