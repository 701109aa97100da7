/** For browsers and Node: a client of a federated run. */
export { FederatedClient } from "./client.ts";
export type { ClientOptions, Evaluation, Functions, TrainingTask } from "./client.ts";
export { ClientError, RequestError } from "./errors.ts";
export type { ClientEvent, OnEvent } from "./events.ts";
export { IndexedDbStore } from "./indexeddb-store.ts";
export type { Decision, Report, Task } from "./messages.ts";
export { Model, readSafetensors, writeSafetensors, zeroModel } from "./model.ts";
export type { ModelTensor } from "./model.ts";
export { MemoryStore } from "./store.ts";
export type { Store } from "./store.ts";
