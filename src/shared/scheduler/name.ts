/** The name of a base model's scheduler object. Region groups and shards have their place in it. */
export function schedulerName(modelId: string): string {
	return `${modelId}/global/0`;
}
