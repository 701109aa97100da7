/** Something that answers the same requests. */
export interface Contender {
	readonly id: "direct" | "pass_through" | "one_call" | "isobar" | "isobar_no_log" | "portkey";
	readonly title: string;
	/** Of chat completions. */
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly stop: () => Promise<void>;
}

export const CHAT_PATH = "/v1/chat/completions";
