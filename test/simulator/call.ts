/** A request whose body has been read. */
export interface Call {
	readonly method: string;
	readonly path: string;
	readonly query: string;
	readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
	readonly body: Buffer;
}

/** Where a model answers. */
export const INFERENCE_PATHS: ReadonlySet<string> = new Set([
	"/v1/chat/completions",
	"/v1/completions",
	"/v1/embeddings",
]);
