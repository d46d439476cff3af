/**
 * gRPC servers and clients as Effects.
 *
 * @since 0.1.0
 */
export { InvalidOption } from "heddle/resilience"
export * as GrpcCall from "./GrpcCall.ts"
export * as GrpcChannel from "./GrpcChannel.ts"
export * as GrpcClient from "./GrpcClient.ts"
export * as GrpcDrain from "./GrpcDrain.ts"
export * as GrpcError from "./GrpcError.ts"
export * as GrpcHealth from "./GrpcHealth.ts"
export * as GrpcServer from "./GrpcServer.ts"
export * as GrpcService from "./GrpcService.ts"
