/** Code units of a prompt that features look at: what comes last is kept. */
export const FEATURE_CHARS_MAX = 16_384;

const SPACE = 32;

/** A prompt in lower case, runs of white space made one space; 0 at both ends, so that neighbours need no bounds. Reused
 *  from prompt to prompt. */
export class FoldedText {
	/** Code units from 1 to `length`. */
	readonly codes = new Uint16Array(FEATURE_CHARS_MAX + 2);
	length = 0;

	read(prompt: string): void {
		const cut = prompt.length > FEATURE_CHARS_MAX ? prompt.slice(-FEATURE_CHARS_MAX) : prompt;
		const text = cut.toLowerCase();
		const { codes } = this;
		// A few letters grow when folded.
		const end = Math.min(text.length, FEATURE_CHARS_MAX);
		let length = 0;
		let last = SPACE;
		for (let i = 0; i < end; i++) {
			let code = text.charCodeAt(i);
			if (code <= SPACE || code === 0xa0) {
				if (last === SPACE) continue;
				code = SPACE;
			}
			codes[++length] = code;
			last = code;
		}
		if (length > 0 && last === SPACE) length--;
		codes[length + 1] = 0;
		this.length = length;
	}
}

/** Letters, digits and all that is not ASCII make words. */
export function isWordCode(code: number): boolean {
	return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code >= 128;
}
