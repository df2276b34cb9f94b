// SPDX-License-Identifier: Apache-2.0

package flows

// Orders gives tests the attachments that each slot falls to.
func Orders(list []Attachment) [][]int { return orders(list) }
