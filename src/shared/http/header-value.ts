/** Whether a text can be sent as a header's value (RFC 9110, section 5.5): visible ASCII, spaces and tabs. */
export function isHeaderValue(text: string): boolean {
	return /^[\t\x20-\x7e]*$/.test(text);
}
