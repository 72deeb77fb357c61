// SPDX-License-Identifier: GPL-2.0-only
/*
 * A copy of a process takes its place: the same descriptors, the same mappings, the
 * same calls begun, and the copy's pid. How the copy is made is the test's affair;
 * host_restore() gives the place back.
 */
#include <sys/mman.h>

#include "internal.h"

void host_set_clonable(void)
{
	struct host_process *process = current->process;
	struct vm_area_struct *vma;

	process->clonable = true;
	list_for_each_entry(vma, &process->mm->vmas, node)
		madvise((void *)vma->vm_start, vma->vm_end - vma->vm_start, MADV_DOFORK);
}

void host_adopt(pid_t pid, pid_t clone, bool trap)
{
	struct host_process *process = host_process_find(pid);
	unsigned int i;

	if (!process)
		host_bug("process %d has no place to be taken", pid);
	for (i = 0; i < HOST_TASKS; i++)
		if (host_tasks[i].nr == pid && host_tasks[i].process == process)
			WRITE_ONCE(host_tasks[i].nr, clone);
	WRITE_ONCE(process->tgid->nr, clone);
	process->trap = trap;
	WRITE_ONCE(process->pid, clone);
}
