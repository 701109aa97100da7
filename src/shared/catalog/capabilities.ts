/** What a model can be asked for. A request needs some of these; a replica whose pool lacks one is not a candidate. Apart from the
 *  schema, which only those load that read or write a catalog. */
export const CAPABILITIES = [
	"chat",
	"completions",
	"embeddings",
	"tools",
	"vision",
	"audio",
	"logprobs",
	"json",
	"token_prompts",
] as const;
